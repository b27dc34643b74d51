/** One key of Google Cloud KMS behind the port: symmetric, or RSA for decryption. */
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../base/encryption-context.ts';
import type { Reason } from '../../base/errors.ts';
import { KmsError } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { generateByWrap } from '../generate-by-wrap.ts';
import { type FactsCall, type KeyFacts, readable } from '../key-facts.ts';
import type { EntryCall, GenerateCall, GeneratedKey, KeyInfo, KeyService, WrapCall } from '../key-service.ts';
import { unusableAnswer } from './failure.ts';
import { inspectKey } from './inspect.ts';
import { type KeyStyle, providerId } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { LearnedStyle } from './learned-style.ts';
import { versionName, versionOf } from './names.ts';
import { RsaKey, type RsaKeyOptions } from './rsa-key.ts';
import { damaged, SymmetricKey, type WrappedKey } from './symmetric-key.ts';

/** What a key answers that was taken for another kind than it is. */
const ofAnotherKind: readonly Reason[] = ['KEY_SERVICE_MISCONFIGURED', 'KEY_STATE_INVALID'];

const unreadLabels = {
  what: 'labels',
  remedy: "give keyproxy's account cloudkms.cryptoKeys.get on the key (roles/cloudkms.viewer has it)",
};

/** The key. Disposing of it ends its question and its calls. */
export class GcpKey implements KeyService {
  readonly provider = 'gcp_kms';
  readonly keyId: string;
  readonly #calls: KmsCalls;
  readonly #configured: string | undefined;
  readonly #style: LearnedStyle;
  readonly #symmetric: SymmetricKey;
  readonly #rsa: RsaKey;

  /** Takes `calls` over. */
  constructor(calls: KmsCalls, options: RsaKeyOptions) {
    const { configured } = options;
    this.keyId = calls.keyName;
    this.#calls = calls;
    this.#configured = configured;
    calls.currentVersion = configured;
    this.#style = new LearnedStyle(calls, configured);
    this.#symmetric = new SymmetricKey(calls, configured);
    this.#rsa = new RsaKey(calls, options);
  }

  get answers(): number {
    return this.#calls.answers;
  }

  owns(entry: EncryptedDataKey): boolean {
    return entry.providerId.equals(providerId) && this.#versionOf(entry) !== undefined;
  }

  describe(entry: EncryptedDataKey): KeyInfo {
    return { provider: this.provider, keyId: this.keyId, keyVersion: this.#versionOf(entry) ?? '' };
  }

  async generate(request: GenerateCall): Promise<GeneratedKey> {
    return generateByWrap(request.length, (plaintext) => this.wrap({ ...request, plaintext }));
  }

  async wrap(request: WrapCall) {
    const style = await this.#style.get(request.signal);
    if (style.kind === 'rsa') return this.#entry(await this.#rsa.wrap(request));
    const wrapped = await this.#relearning(this.#symmetric.wrap(style, request));
    this.#calls.currentVersion = wrapped.version;
    return this.#entry(wrapped);
  }

  async unwrap({ entry, context, signal }: EntryCall) {
    const version = this.owns(entry) ? this.#versionOf(entry) : undefined;
    if (version === undefined) throw damaged();
    const wrapped = { version, ciphertext: entry.ciphertext };
    const style = await this.#style.get(signal);
    try {
      if (style.kind === 'rsa') return await this.#rsa.unwrap({ wrapped, signal });
      return await this.#relearning(this.#symmetric.unwrap(style, { wrapped, context, signal }));
    } catch (error) {
      throw await this.#withPresentReach(error, { version, style, signal });
    }
  }

  async facts({ tags, signal }: FactsCall): Promise<KeyFacts> {
    const name = this.keyId.slice(this.keyId.lastIndexOf('/') + 1);
    if (!tags) return { names: [name], tags: new Map() };
    const request = { name: this.keyId };
    const key = await readable(unreadLabels, () => this.#calls.call('getCryptoKey', request, { signal }));
    if (key.name !== this.keyId) throw unusableAnswer('getCryptoKey', 'OTHER_KEY');
    return { names: [name], tags: new Map(Object.entries(key.labels ?? {})) };
  }

  async inspect({ signal }: { context: EncryptionContext; signal: AbortSignal }): Promise<Finding[]> {
    return inspectKey(this.#calls, { configured: this.#configured, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rsa[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
  }

  /** A key that was taken for a symmetric one may turn out to be none: then it is asked about anew. */
  async #relearning<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      const fault = error instanceof KmsError ? error.fault : undefined;
      if (fault !== undefined && 'reason' in fault && ofAnotherKind.includes(fault.reason)) this.#style.forget();
      throw error;
    }
  }

  /**
   * A version that was the current one when a data key was last made may have been replaced since, and be disabled for
   * that very reason: then its refusal is not one of the key.
   */
  async #withPresentReach(
    error: unknown,
    { version, style, signal }: { version: string; style: KeyStyle; signal: AbortSignal },
  ): Promise<unknown> {
    if (!(error instanceof KmsError) || error.fault.kind !== 'refusal' || !error.fault.keyWide) return error;
    if (error.fault.reason === 'KEY_ACCESS_DENIED' || this.#configured !== undefined) return error;
    const asked = style.kind === 'rsa' ? this.#rsa.newest(signal) : this.#calls.primary(signal);
    const current = await asked.catch(() => undefined);
    if (current === undefined || current === version) return error;
    this.#calls.currentVersion = current;
    return new KmsError({ ...error.fault, keyWide: false }, error.details);
  }

  #versionOf(entry: EncryptedDataKey): string | undefined {
    return versionOf(this.keyId, entry.providerInfo.toString('latin1'));
  }

  #entry({ version, ciphertext }: WrappedKey): EncryptedDataKey {
    return { providerId, providerInfo: Buffer.from(versionName(this.keyId, version), 'utf8'), ciphertext };
  }
}
