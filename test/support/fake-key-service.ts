/**
 * A key service in memory. It keeps what it wrapped, binds the context, counts what it was asked, and fails or waits
 * when it is told to. Like a real one it knows nothing of caches and tenants.
 */
import { randomBytes } from 'node:crypto';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { KmsError, type KmsErrorDetails, type KmsFault } from '../../src/kms/fault.ts';
import type { GeneratedKey, KeyInfo, KeyService } from '../../src/kms/key-service.ts';

type FakeOperation = 'generate' | 'wrap' | 'unwrap';

interface Wrapped {
  readonly version: number;
  readonly plaintext: Buffer;
  readonly context: Buffer;
}

const providerId = Buffer.from('fake-kms');

export class FakeKeyService implements KeyService {
  readonly provider = 'local';
  readonly keyId: string;
  /** How often each method was called, failures included. */
  readonly calls = { generate: 0, wrap: 0, unwrap: 0 };
  /** The secrets that it handed out: whoever took them has to wipe them. */
  readonly handedOut: SecretBytes[] = [];
  /** The contexts that it was asked with, serialised. */
  readonly contexts: Buffer[] = [];
  /** What every call fails with until it is set back. */
  fault: KmsFault | undefined;
  /** Where set, a call ends only when this does. */
  gate: Promise<void> | undefined;
  closed = false;
  /** Whether what it opens comes back as something else. */
  corrupts = false;
  /** Whether its failures come without a request id, as silence does. */
  isMute = false;
  /** Names of pairs: whatever is asked under a context that has one is denied, as a conditioned policy does. */
  readonly deniedContexts = new Set<string>();
  #version = 1;
  readonly #retired = new Set<number>();
  readonly #wrapped = new Map<string, Wrapped>();

  readonly #bindsContext: boolean;

  /** `bindsContext`: false for one that opens an entry under any context, as RSA keys do. */
  constructor(keyId: string, { bindsContext = true }: { bindsContext?: boolean } = {}) {
    this.keyId = keyId;
    this.#bindsContext = bindsContext;
  }

  /** All calls together. */
  get callCount(): number {
    return this.calls.generate + this.calls.wrap + this.calls.unwrap;
  }

  /** Makes all calls wait; the function that it returns lets them go on. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return () => {
      this.gate = undefined;
      resolve();
    };
  }

  owns(entry: EncryptedDataKey): boolean {
    return entry.providerId.equals(providerId) && entry.providerInfo.toString() === this.keyId;
  }

  describe(entry: EncryptedDataKey): KeyInfo {
    const version = this.#wrapped.get(entry.ciphertext.toString('hex'))?.version ?? 1;
    return { provider: this.provider, keyId: this.keyId, keyVersion: `v${version}` };
  }

  /** The customer rotates the key and disables what was its version until now. */
  retireVersion(): void {
    this.#retired.add(this.#version);
    this.#version += 1;
  }

  async generate(request: { length: number; context: EncryptionContext; signal: AbortSignal }): Promise<GeneratedKey> {
    await this.#called('generate', request);
    const plaintext = this.#handOut(randomBytes(request.length));
    return { plaintext, entry: this.#keep(plaintext, request.context) };
  }

  async wrap(request: { plaintext: SecretBytes; context: EncryptionContext; signal: AbortSignal }) {
    await this.#called('wrap', request);
    return this.#keep(request.plaintext, request.context);
  }

  async unwrap(request: { entry: EncryptedDataKey; context: EncryptionContext; signal: AbortSignal }) {
    await this.#called('unwrap', request);
    const found = this.#wrapped.get(request.entry.ciphertext.toString('hex'));
    const isItsContext = !this.#bindsContext || found?.context.equals(request.context.serialized) === true;
    if (found === undefined || !isItsContext) throw this.#error('unwrap', { kind: 'data' });
    if (this.#retired.has(found.version)) {
      throw this.#error('unwrap', { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
    }
    return this.#handOut(this.corrupts ? randomBytes(found.plaintext.length) : Buffer.from(found.plaintext));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
  }

  #keep(plaintext: SecretBytes, context: EncryptionContext): EncryptedDataKey {
    const ciphertext = randomBytes(40);
    this.#wrapped.set(ciphertext.toString('hex'), {
      version: this.#version,
      plaintext: Buffer.from(plaintext.reveal()),
      context: context.serialized,
    });
    return { providerId, providerInfo: Buffer.from(this.keyId), ciphertext };
  }

  #handOut(bytes: Buffer): SecretBytes {
    const secret = SecretBytes.adopt(bytes);
    this.handedOut.push(secret);
    return secret;
  }

  async #called(operation: FakeOperation, request: { context: EncryptionContext; signal: AbortSignal }): Promise<void> {
    this.calls[operation] += 1;
    this.contexts.push(request.context.serialized);
    if (this.gate !== undefined) await Promise.race([this.gate, aborted(request.signal)]);
    if (this.closed || request.signal.aborted) {
      throw this.#error(operation, { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    }
    if (this.fault !== undefined) throw this.#error(operation, this.fault);
    if ([...this.deniedContexts].some((name) => request.context.pairs.has(name))) {
      throw this.#error(operation, { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false });
    }
  }

  #error(operation: FakeOperation, fault: KmsFault): KmsError {
    const details: KmsErrorDetails = {
      provider: this.provider,
      operation,
      providerCode: `Fake${fault.kind}`,
      ...(!this.isMute && { requestId: `request-${this.callCount}` }),
      cause: new Error('the text of the provider, for nobody'),
    };
    return new KmsError(fault, details);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
