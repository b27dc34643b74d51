/** One key of a transit engine behind the port: one that binds associated data (AES, ChaCha20), or RSA. */
import type { Clock } from '../../base/clock.ts';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../base/encryption-context.ts';
import type { SecretBytes } from '../../base/secret.ts';
import { startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { generateByWrap } from '../generate-by-wrap.ts';
import type { KeyFacts } from '../key-facts.ts';
import type { EntryCall, GenerateCall, GeneratedKey, KeyCall, KeyInfo, KeyService, WrapCall } from '../key-service.ts';
import { noteRequest } from '../provider-note.ts';
import { Batches } from './batches.ts';
import { type Ciphertext, entryOf, readCiphertext, versionOf } from './ciphertext.ts';
import type { VaultLease } from './credentials.ts';
import { errorOf, incompleteAnswer, silence } from './failure.ts';
import { inspectBinding, inspectKey } from './inspect.ts';
import type { KeyStyle } from './key-style.ts';
import { LearnedStyle } from './learned-style.ts';
import { type Answered, datakeyBits, type EncryptInput, type OpenInput, type Transit } from './transit.ts';

/** What one key needs. */
export interface VaultKeyOptions {
  readonly keyId: string;
  /** Its name below the engine. */
  readonly name: string;
  readonly clock: Clock;
  /** How long one call may take from its start to the last byte of its answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Taken over: released at disposal. */
  readonly lease: VaultLease;
}

/** What an authenticated cipher adds: a nonce of 12 bytes or, for XChaCha20, 24, and a tag of 16. */
const aeadOverheads: readonly number[] = [28, 40];

/** The key. Disposing of it lets go of its login. */
export class VaultKey implements KeyService {
  readonly provider = 'vault';
  readonly keyId: string;
  readonly #keyIdBytes: Buffer;
  readonly #options: VaultKeyOptions;
  readonly #transit: Transit;
  readonly #style: LearnedStyle;
  readonly #encrypts: Batches<EncryptInput, Answered<Ciphertext>>;
  readonly #decrypts: Batches<OpenInput, Answered<SecretBytes>>;
  readonly #rewraps: Batches<OpenInput, Answered<Ciphertext>>;

  constructor(transit: Transit, options: VaultKeyOptions) {
    const { keyId } = options;
    const nothing = () => {};
    this.keyId = keyId;
    this.#keyIdBytes = Buffer.from(keyId, 'utf8');
    this.#options = options;
    this.#transit = transit;
    this.#style = new LearnedStyle(transit, options);
    this.#encrypts = new Batches({ ...options, run: (items, end) => transit.encrypt(items, end), discard: nothing });
    this.#decrypts = new Batches({ ...options, run: (items, end) => transit.decrypt(items, end), discard: wipe });
    this.#rewraps = new Batches({ ...options, run: (items, end) => transit.rewrap(items, end), discard: nothing });
  }

  owns(entry: EncryptedDataKey): boolean {
    return versionOf(entry, this.#keyIdBytes) !== undefined;
  }

  describe(entry: EncryptedDataKey): KeyInfo {
    const keyVersion = versionOf(entry, this.#keyIdBytes) ?? '';
    return { provider: this.provider, keyId: this.keyId, keyVersion };
  }

  generate(request: GenerateCall): Promise<GeneratedKey> {
    const { length } = request;
    return this.#within(request, 'encrypt', async (call) => {
      const bits = datakeyBits.get(length);
      if (bits !== undefined && (await this.#style.get(call.signal)) === 'rsa') return this.#datakey(bits, call);
      return generateByWrap(length, (plaintext) => this.#encrypt(plaintext, call));
    });
  }

  wrap(request: WrapCall): Promise<EncryptedDataKey> {
    return this.#within(request, 'encrypt', (call) => this.#encrypt(request.plaintext, call));
  }

  unwrap(request: EntryCall): Promise<SecretBytes> {
    return this.#within(request, 'decrypt', (call) =>
      this.#asStyled(call.signal, (style) => this.#decrypt(this.#textOf(request.entry, 'decrypt'), style, call)),
    );
  }

  /**
   * RSA only: Vault rewraps without associated data (hashicorp/vault#29532), so what is bound to some has to be
   * unwrapped and wrapped.
   */
  rewrap(request: EntryCall): Promise<EncryptedDataKey> {
    return this.#within(request, 'rewrap', (call) =>
      this.#asStyled(call.signal, async (style) => {
        const ciphertext = this.#textOf(request.entry, 'rewrap');
        if (style === 'rsa')
          return entryOf(this.keyId, noted(call, await this.#rewraps.submit({ ciphertext }, call.signal)));
        using plaintext = await this.#decrypt(ciphertext, style, call);
        return await this.#encrypt(plaintext, call);
      }),
    );
  }

  /** Keys of a transit engine have no tags, and their name is the one that they are called by. */
  async facts(): Promise<KeyFacts> {
    return { names: [this.#options.name], tags: new Map() };
  }

  async inspect({ context, signal }: KeyCall): Promise<Finding[]> {
    using deadline = startDeadline(this.#options.clock, this.#options.timeoutMs, signal);
    const found = await inspectKey(this.#transit, this.#style, deadline.signal);
    return [...found, ...(await inspectBinding(this, { style: this.#style, context, signal: deadline.signal }))];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.lease.release();
  }

  /** Vault's own data key. There is none with associated data, so only a key that binds none is asked for it. */
  async #datakey(bits: number, call: KeyCall): Promise<GeneratedKey> {
    const { plaintext, wrapped } = noted(call, await this.#transit.datakey(bits, call.signal));
    if (this.#fits('rsa', wrapped, plaintext.length)) return { plaintext, entry: entryOf(this.keyId, wrapped) };
    plaintext[Symbol.dispose]();
    throw incompleteAnswer('datakey');
  }

  async #decrypt(ciphertext: string, style: KeyStyle, call: KeyCall): Promise<SecretBytes> {
    return noted(call, await this.#decrypts.submit({ ciphertext, ...binding(style, call.context) }, call.signal));
  }

  #encrypt(plaintext: SecretBytes, call: KeyCall): Promise<EncryptedDataKey> {
    return this.#asStyled(call.signal, async (style) => {
      const input = { plaintext, ...binding(style, call.context) };
      const wrapped = noted(call, await this.#encrypts.submit(input, call.signal));
      if (!this.#fits(style, wrapped, plaintext.length)) throw incompleteAnswer('encrypt');
      return entryOf(this.keyId, wrapped);
    });
  }

  /**
   * Whether a ciphertext can be of a style: a key deleted and made anew under its name may be of another kind, and would
   * wrap without any binding what is sent to it in the style of the old one.
   */
  #fits(style: KeyStyle, { length }: Ciphertext, plaintextLength: number): boolean {
    const fits = (style === 'aead') === aeadOverheads.includes(length - plaintextLength);
    if (!fits) this.#style.forget();
    return fits;
  }

  /** Works in the key's style; where that was only assumed and Vault says that it is the other, once more in that. */
  async #asStyled<T>(signal: AbortSignal, work: (style: KeyStyle) => Promise<T>): Promise<T> {
    const style = await this.#style.get(signal);
    try {
      return await work(style);
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'config') throw error;
      this.#style.forget();
      if (style !== 'aead' || error.details.providerCode !== 'NotAead') throw error;
      this.#style.isRsa();
      return await work('rsa');
    }
  }

  /** The ciphertext of an entry that is this key's, in Vault's form and of the version that the entry names. */
  #textOf(entry: EncryptedDataKey, operation: string): string {
    const version = versionOf(entry, this.#keyIdBytes);
    const text = entry.ciphertext.toString('latin1');
    if (version !== undefined && readCiphertext(text)?.version === version) return text;
    throw errorOf({ code: 'NotThisKeys', fault: { kind: 'data' } }, operation);
  }

  /** Does `work` with the call as it is but for its signal, which also ends when the call's time has passed. */
  async #within<T>(call: KeyCall, operation: string, work: (call: KeyCall) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    const { context, note } = call;
    using deadline = startDeadline(clock, timeoutMs, call.signal);
    try {
      deadline.signal.throwIfAborted();
      return await work({ context, note, signal: deadline.signal });
    } catch (error) {
      throw silence(error, operation, deadline.signal);
    }
  }
}

/** What binds a request beside the key: the context, for a key that can. */
function binding(style: KeyStyle, context: EncryptionContext): { context?: Buffer } {
  return style === 'rsa' ? {} : { context: context.serialized };
}

/** What an answer gave, once its request is noted. */
function noted<T>({ note }: KeyCall, { value, requestId }: Answered<T>): T {
  noteRequest(note, requestId);
  return value;
}

function wipe({ value }: Answered<SecretBytes>): void {
  value[Symbol.dispose]();
}
