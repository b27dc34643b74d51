/**
 * What kube-apiserver gets from the cluster's key. It asks for one encryption at its start and one whenever the key id
 * changes, and for one decryption of each such thing when it meets it first.
 *
 * What is encrypted becomes a message like any other of keyproxy's (docs/ciphertexts.md), with the key id as its
 * associated data, in two parts: kube-apiserver takes a ciphertext of 1 kB at most, so that has the body, and the
 * header, which has an entry for every key, is an annotation. One behind the other they are the message again.
 */
import type { Caller } from '../base/caller.ts';
import { type Clock, pause } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { parseHeader } from '../envelope/header.ts';
import { messageLimits } from '../envelope/limits.ts';
import type { DecryptAnswer, DecryptRequest } from '../operations/decrypt.ts';
import type { EncryptAnswer, EncryptRequest } from '../operations/encrypt.ts';
import type { Operation } from '../operations/engine.ts';
import type { KmsPlugin } from '../rpc/kms-plugin-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { KeyIds } from './key-ids.ts';
import type { KeyProbe } from './key-probe.ts';

/** The pairs that everything of a cluster is encrypted under; the customer sees them in the key service's log. */
export const clusterPairs: ReadonlyMap<string, string> = new Map([['purpose', 'kubernetes-kms']]);

/** The annotation that has the header: a fully qualified domain name, as kube-apiserver demands. */
export const headerAnnotation = 'message-header.kms-plugin.keyproxy.io';

/** Largest plaintext, in bytes: with the 40 that a frame adds, the ciphertext stays under the 1,024 that may be. */
export const maxPlaintextBytes = 900;
/** Bound on all annotations, in bytes: that of kube-apiserver (k8s.io/apiserver, kmsv2, `annotationsMaxSize`). */
const maxAnnotationBytes = 32 * 1024;
/** Bound on what `healthz` says, in characters. */
const maxHealthzLength = 500;
/** Longest wait of a status for the first look at the key, in milliseconds; kube-apiserver waits for 3 s. */
const firstLookMs = 2_000;
/** How often an encryption is made where the key turns out to be another than the one of its id. */
const attempts = 2;

export interface ClusterKeyOptions {
  readonly clock: Clock;
  readonly ids: KeyIds;
  readonly probe: KeyProbe;
  readonly encrypt: Operation<EncryptRequest, EncryptAnswer>;
  readonly decrypt: Operation<DecryptRequest, DecryptAnswer>;
  /** The tenant as it is now. */
  readonly tenant: () => Tenant | undefined;
  /** New data must not go under the root that there is. */
  readonly dropRoot: (tenant: Tenant) => void;
}

export class ClusterKey implements KmsPlugin {
  readonly #options: ClusterKeyOptions;

  constructor(options: ClusterKeyOptions) {
    this.#options = options;
  }

  /** Whether a status would say `ok` now. */
  get isHealthy(): boolean {
    return this.#failure() === undefined;
  }

  /** Calls no key service. */
  async status(signal: AbortSignal): Promise<{ healthz: string; keyId: string }> {
    const { clock, ids, probe } = this.#options;
    if (probe.finding === undefined) await Promise.race([probe.first(), pause(clock, firstLookMs, signal)]);
    const keyId = ids.current?.id;
    const failure = this.#failure();
    if (keyId === undefined) throw failure ?? notSeenYet();
    return { keyId, healthz: failure === undefined ? 'ok' : healthzOf(failure) };
  }

  async encrypt(
    caller: Caller,
    { plaintext }: { readonly plaintext: Buffer },
    signal: AbortSignal,
  ): Promise<{ ciphertext: Buffer; keyId: string; annotations: Map<string, Buffer> }> {
    if (plaintext.length > maxPlaintextBytes) {
      throw new KeyproxyError('MESSAGE_TOO_LARGE', {
        detail: `the plaintext has ${plaintext.length} bytes, the limit is ${maxPlaintextBytes}`,
        metadata: { limit: 'plaintext', limit_value: String(maxPlaintextBytes), size: String(plaintext.length) },
      });
    }
    const { ids, probe, encrypt } = this.#options;
    if (ids.current === undefined) await untilAborted(probe.first(), signal);
    for (let attempt = 1; ; attempt++) {
      const keyId = ids.current?.id;
      if (keyId === undefined) throw this.#failure() ?? notSeenYet();
      const tenant = this.#tenant();
      const request = { tenantId: tenant.id, plaintext, encryptionContext: clusterPairs };
      const { ciphertext, key } = await encrypt(caller, { ...request, associatedData: Buffer.from(keyId) }, signal);
      const isByReplica = key.keyId !== tenant.keyIds[0];
      const isSettled = ids.standingOf(key) === 'current' && ids.current?.id === keyId;
      if (!isByReplica && isSettled) return { keyId, ...inParts(ciphertext) };
      // What is in the cache is a replica's, or may be of before.
      this.#options.dropRoot(tenant);
      if (attempt === attempts) throw isByReplica ? onlyByReplica() : unsettled();
      if (isByReplica) continue;
      // The id is the probe's to say.
      await untilAborted(probe.look(), signal);
      const failure = this.#failure();
      if (failure !== undefined) throw failure;
    }
  }

  /** Needs nothing that this node has seen before: what another node encrypted opens as well. */
  async decrypt(
    caller: Caller,
    request: {
      readonly ciphertext: Buffer;
      readonly keyId: string;
      readonly annotations: ReadonlyMap<string, Buffer>;
    },
    signal: AbortSignal,
  ): Promise<Buffer> {
    const { ciphertext, keyId, annotations } = request;
    const header = annotations.size === 1 ? annotations.get(headerAnnotation) : undefined;
    // What is none of ours goes through the same door, and fails there like everything else that does not open.
    const message = header === undefined ? Buffer.alloc(0) : Buffer.concat([header, ciphertext]);
    const { plaintext } = await this.#options.decrypt(
      caller,
      {
        tenantId: this.#tenant().id,
        ciphertext: message,
        encryptionContext: clusterPairs,
        associatedData: Buffer.from(keyId),
      },
      signal,
    );
    return plaintext;
  }

  #tenant(): Tenant {
    const tenant = this.#options.tenant();
    if (tenant === undefined) throw new KeyproxyError('TENANT_UNKNOWN');
    return tenant;
  }

  /** What stands against the use of the key: what has been heard of it since the last look, or else what that found. */
  #failure(): KeyproxyError | undefined {
    const { reason } = this.#options.tenant()?.state ?? {};
    if (reason !== undefined) return new KeyproxyError(reason);
    const { finding } = this.#options.probe;
    // The id of an earlier process proves nothing about the key of this one.
    if (finding === undefined) return notSeenYet();
    return finding.kind === 'failed' ? finding.failure : undefined;
  }
}

/** A text for anybody: reason and sentence, which never hold what is secret. */
function healthzOf({ reason, message }: KeyproxyError): string {
  return `${reason}: ${message}`.slice(0, maxHealthzLength);
}

function notSeenYet(): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_UNAVAILABLE', { detail: 'the key has not been seen yet' });
}

function unsettled(): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
    detail: 'it does not say the same of its current version twice',
    retryAfterMs: 1000,
  });
}

/** Data that only a replica opens must not bear the id of a key that does not. */
function onlyByReplica(): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
    detail: 'only a replica would open what is encrypted now',
    retryAfterMs: 1000,
  });
}

function inParts(message: Buffer): { ciphertext: Buffer; annotations: Map<string, Buffer> } {
  const { maxEncryptedDataKeys, maxContextBytes } = messageLimits;
  const { bodyOffset } = parseHeader(message, { maxEncryptedDataKeys, maxContextBytes });
  if (headerAnnotation.length + bodyOffset >= maxAnnotationBytes) {
    throw new KeyproxyError('INTERNAL', {
      cause: new Error('the header of a message is over the bound of annotations'),
    });
  }
  return {
    ciphertext: message.subarray(bodyOffset),
    annotations: new Map([[headerAnnotation, message.subarray(0, bodyOffset)]]),
  };
}
