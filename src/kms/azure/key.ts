/**
 * One key of Azure Key Vault or a managed HSM behind the port. An RSA key wraps here, with its public part: the seed
 * of the product grants keyproxy no permission to wrap, and a data key costs no call. A symmetric key of a managed HSM
 * wraps there.
 */
import { constants, publicEncrypt, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../base/encryption-context.ts';
import { SecretBytes } from '../../base/secret.ts';
import { startDeadline } from '../deadline.ts';
import { gaveUp, KmsError, type KmsFault } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { generateByWrap } from '../generate-by-wrap.ts';
import { type AzureKeyConfig, keyIdOf } from '../key-config.ts';
import { type FactsCall, type KeyFacts, readable } from '../key-facts.ts';
import type { EntryCall, GenerateCall, GeneratedKey, KeyCall, KeyInfo, KeyService, WrapCall } from '../key-service.ts';
import { Proof } from '../proof.ts';
import { algorithmOf, azureEntry, versionOf, type WrapAlgorithm } from './entry.ts';
import { findingsOf } from './inspection.ts';
import { explained } from './key-state.ts';
import { type KeyVersion, keyVersionFrom, stateFault } from './key-version.ts';
import type { VaultCalls } from './vault-calls.ts';

/** What one key needs beside its configuration. */
export interface AzureKeyOptions {
  readonly clock: Clock;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long an unwrap counts as proof that the key may be used, in milliseconds. */
  readonly proofMs: number;
}

/** However much the key is in use: after this time a rotation has been noticed, in milliseconds. */
const versionHoldsMs = 300_000;
const canaryLength = 32;
const unreadTags = { what: 'tags', remedy: "give keyproxy's identity the permission get on the key" };
/** What OAEP with SHA-256 takes of a modulus (RFC 8017, section 7.1.1), in bytes. */
const oaepOverhead = 66;

/** One key of a vault or a managed HSM behind the port. Disposing of it ends its question and its calls. */
export class AzureKey implements KeyService {
  readonly provider = 'azure_kv';
  readonly keyId: string;
  readonly #config: AzureKeyConfig;
  readonly #calls: VaultCalls;
  readonly #options: AzureKeyOptions;
  readonly #keyIdBytes: Buffer;
  readonly #proof: Proof;
  /** What new data goes under; it has been proven where the proof holds. */
  #wrapping: KeyVersion | undefined;

  /** Takes `calls` over. */
  constructor(config: AzureKeyConfig, calls: VaultCalls, options: AzureKeyOptions) {
    this.keyId = keyIdOf(config);
    this.#config = config;
    this.#calls = calls;
    this.#options = options;
    this.#keyIdBytes = Buffer.from(this.keyId);
    const { clock, proofMs } = options;
    const ask = (signal: AbortSignal) => this.#ask(signal);
    this.#proof = new Proof({ provider: this.provider, clock, proofMs, askAgainMs: versionHoldsMs, ask });
  }

  get answers(): number {
    return this.#calls.answers;
  }

  owns(entry: EncryptedDataKey): boolean {
    return this.#versionOf(entry) !== undefined;
  }

  describe(entry: EncryptedDataKey): KeyInfo {
    return { provider: this.provider, keyId: this.keyId, keyVersion: this.#versionOf(entry) ?? '' };
  }

  async generate(request: GenerateCall): Promise<GeneratedKey> {
    return generateByWrap(request.length, (plaintext) => this.wrap({ ...request, plaintext }));
  }

  async wrap({ plaintext, signal, note }: WrapCall): Promise<EncryptedDataKey> {
    if (signal.aborted) throw gaveUp({ provider: this.provider, operation: 'wrapKey' }, signal.reason);
    using deadline = startDeadline(this.#options.clock, this.#options.timeoutMs, signal);
    const version = await this.#proven(deadline.signal);
    const ciphertext = await this.#wrapUnder(version, plaintext, { signal: deadline.signal, note });
    return azureEntry(this.keyId, version.version, ciphertext);
  }

  async unwrap(request: EntryCall) {
    const { clock, timeoutMs } = this.#options;
    const { ciphertext } = request.entry;
    const version = this.#versionOf(request.entry);
    const algorithm = algorithmOf(ciphertext);
    if (version === undefined || algorithm === undefined) throw this.#failed('unwrapKey', { kind: 'data' });
    using deadline = startDeadline(clock, timeoutMs, request.signal);
    const sentAt = clock.monotonic();
    try {
      const { signal } = deadline;
      const plaintext = await this.#calls.unwrap({ version, algorithm, ciphertext }, { signal, note: request.note });
      if (version === this.#wrapping?.version) this.#proof.succeeded(sentAt);
      return plaintext;
    } catch (error) {
      throw await this.#refusedOr(error, version, deadline.signal);
    }
  }

  /** The failure of an unwrap. A no about an old version says nothing about the one that new data goes under. */
  async #refusedOr(error: unknown, version: string, signal: AbortSignal): Promise<KmsError> {
    const current = this.#wrapping?.version ?? this.#config.keyVersion;
    const asked = { calls: this.#calls, config: this.#config, version, ...(current !== undefined && { current }) };
    const failure = await explained(error, asked, signal);
    const { fault } = failure;
    if (fault.kind === 'refusal' && (fault.keyWide || version === current)) this.#proof.refused();
    return failure;
  }

  /** Tags are a version's: those of the version that new data goes under count. */
  async facts({ tags, signal }: FactsCall): Promise<KeyFacts> {
    const { clock, timeoutMs } = this.#options;
    const { keyName, keyVersion } = this.#config;
    if (!tags) return { names: [keyName], tags: new Map() };
    using deadline = startDeadline(clock, timeoutMs, signal);
    const key = await readable(unreadTags, () => this.#calls.getKey(keyVersion, deadline.signal));
    return { names: [keyName], tags: new Map(Object.entries(key.properties.tags ?? {})) };
  }

  async inspect({ signal }: { context: EncryptionContext; signal: AbortSignal }): Promise<Finding[]> {
    const { clock, timeoutMs } = this.#options;
    using deadline = startDeadline(clock, timeoutMs, signal);
    return await findingsOf(this.#read(deadline.signal), clock.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#proof[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
  }

  /** The version that new data goes under, once it is known that its private part still answers. */
  async #proven(signal: AbortSignal): Promise<KeyVersion> {
    await this.#proof.ensure(signal);
    const version = this.#wrapping;
    if (version === undefined) throw this.#failed('getKey', { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    this.#expectUsable(version);
    return version;
  }

  /**
   * Reads the key again, so that a rotation is followed, and has the service open what was wrapped under the version
   * that is to be used. The question is everybody's: it ends by its own time limit.
   */
  async #ask(signal: AbortSignal): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    using deadline = startDeadline(clock, timeoutMs, signal);
    const version = await this.#read(deadline.signal);
    this.#expectUsable(version);
    using canary = SecretBytes.adopt(randomBytes(canaryLength));
    const ciphertext = await this.#wrapUnder(version, canary, { signal: deadline.signal });
    using answer = await this.#unwrapCanary(version, ciphertext, deadline.signal);
    if (answer.length !== canary.length || !timingSafeEqual(answer.reveal(), canary.reveal())) throw this.#notItsPair();
    this.#wrapping = version;
  }

  async #unwrapCanary({ version, style }: KeyVersion, ciphertext: Buffer, signal: AbortSignal): Promise<SecretBytes> {
    const algorithm: WrapAlgorithm = style.kind === 'rsa' ? 'RSA-OAEP-256' : 'A256KW';
    try {
      return await this.#calls.unwrap({ version, algorithm, ciphertext }, { signal });
    } catch (error) {
      // Its data are ours: what does not open here is no fault of an entry.
      throw error instanceof KmsError && error.fault.kind === 'data' ? this.#notItsPair(error) : error;
    }
  }

  async #read(signal: AbortSignal): Promise<KeyVersion> {
    const { keyName, keyVersion: version } = this.#config;
    try {
      return keyVersionFrom(await this.#calls.getKey(version, signal), keyName);
    } catch (error) {
      throw await explained(error, { calls: this.#calls, config: this.#config }, signal);
    }
  }

  #wrapUnder(
    { version, style }: KeyVersion,
    plaintext: SecretBytes,
    call: Pick<KeyCall, 'signal' | 'note'>,
  ): Promise<Buffer> {
    if (style.kind === 'aes') return this.#calls.wrap(version, plaintext, call);
    if (plaintext.length > style.bits / 8 - oaepOverhead) throw this.#failed('wrapKey', { kind: 'data' });
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
    return Promise.resolve(publicEncrypt({ key: style.publicKey, ...padding }, plaintext.reveal()));
  }

  #expectUsable(version: KeyVersion): void {
    const fault = stateFault(version, this.#options.clock.now());
    if (fault !== undefined) throw this.#failed('getKey', fault, "check the key's state and dates in the vault");
  }

  #versionOf(entry: EncryptedDataKey): string | undefined {
    return versionOf(entry, this.#keyIdBytes);
  }

  #notItsPair(error?: KmsError): KmsError {
    const fault: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
    const advice = 'check vault_url: the vault does not open what is wrapped with the public key that it shows';
    return new KmsError(fault, { provider: this.provider, operation: 'unwrapKey', ...error?.details, advice });
  }

  #failed(operation: string, fault: KmsFault, advice?: string): KmsError {
    const details = { provider: this.provider, operation };
    return new KmsError(fault, advice === undefined ? details : { ...details, advice });
  }
}
