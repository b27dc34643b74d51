/** One key of AWS KMS behind the port: symmetric, or RSA for encryption and decryption. */
import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../base/encryption-context.ts';
import { SecretBytes } from '../../base/secret.ts';
import { KmsError, type KmsFault } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { generateByWrap } from '../generate-by-wrap.ts';
import type { FactsCall, KeyFacts } from '../key-facts.ts';
import type { EntryCall, GenerateCall, GeneratedKey, KeyInfo, KeyService, WrapCall } from '../key-service.ts';
import { noteRequest } from '../provider-note.ts';
import { adviceForOtherKey } from './advice.ts';
import { emptyAnswer } from './failure.ts';
import { nameMatcher } from './key-name.ts';
import { type KeyStyle, rsaAlgorithm, rsaStyle, styleOfEntry, symmetricStyle } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { LearnedStyle } from './learned-style.ts';

/** Looks at a key for `keyproxy validate`. */
export type Inspect = (
  service: KeyService,
  request: { readonly context: EncryptionContext; readonly signal: AbortSignal },
) => Promise<Finding[]>;

/** Reads what a key is called and marked with. */
export type ReadFacts = (call: FactsCall) => Promise<KeyFacts>;

/** The key. Disposing of it ends its calls and lets go of its credentials. */
export class AwsKey implements KeyService {
  readonly provider = 'aws_kms';
  readonly keyId: string;
  readonly #providerInfo: Buffer;
  readonly #isName: (providerInfo: Buffer) => boolean;
  readonly #calls: KmsCalls;
  readonly #style: LearnedStyle;
  readonly #inspect: Inspect;
  readonly #readFacts: ReadFacts;

  /** Takes `calls` over. */
  constructor(keyArn: string, calls: KmsCalls, looks: { readonly inspect: Inspect; readonly readFacts: ReadFacts }) {
    this.#inspect = looks.inspect;
    this.#readFacts = looks.readFacts;
    this.keyId = keyArn;
    this.#providerInfo = Buffer.from(keyArn, 'utf8');
    this.#isName = nameMatcher(keyArn);
    this.#calls = calls;
    this.#style = new LearnedStyle(keyArn, calls);
  }

  owns(entry: EncryptedDataKey): boolean {
    return styleOfEntry(entry) !== undefined && this.#isName(entry.providerInfo);
  }

  describe(): KeyInfo {
    return { provider: this.provider, keyId: this.keyId, keyVersion: '' };
  }

  async generate(request: GenerateCall): Promise<GeneratedKey> {
    const style = await this.#style.get(request.signal);
    if (style.kind === 'symmetric') return this.#forgetStyleIfUnsuitable(this.#generateDataKey(request));
    return generateByWrap(request.length, (plaintext) => this.wrap({ ...request, plaintext }));
  }

  async wrap(request: WrapCall) {
    const style = await this.#style.get(request.signal);
    return this.#forgetStyleIfUnsuitable(this.#encrypt(style, request));
  }

  async unwrap(request: EntryCall) {
    const style = this.owns(request.entry) ? styleOfEntry(request.entry) : undefined;
    if (style === undefined) throw this.#error('Decrypt', { kind: 'data' });
    const command = new DecryptCommand({
      KeyId: this.keyId,
      CiphertextBlob: request.entry.ciphertext,
      ...bindingOf(style, request.context),
    });
    const answer = await this.#calls.call('Decrypt', request.signal, (client, options) =>
      client.send(command, options),
    );
    noteRequest(request.note, answer.$metadata.requestId);
    if (!(answer.Plaintext instanceof Uint8Array)) throw emptyAnswer('Decrypt');
    const plaintext = adopt(answer.Plaintext);
    this.#expectOwnKey('Decrypt', answer.KeyId, plaintext);
    return plaintext;
  }

  facts(call: FactsCall): Promise<KeyFacts> {
    return this.#readFacts(call);
  }

  inspect(request: { context: EncryptionContext; signal: AbortSignal }): Promise<Finding[]> {
    return this.#inspect(this, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calls[Symbol.dispose]();
  }

  async #generateDataKey(request: GenerateCall) {
    const command = new GenerateDataKeyCommand({
      KeyId: this.keyId,
      NumberOfBytes: request.length,
      ...bindingOf(symmetricStyle, request.context),
    });
    const answer = await this.#calls.call('GenerateDataKey', request.signal, (client, options) =>
      client.send(command, options),
    );
    noteRequest(request.note, answer.$metadata.requestId);
    if (!(answer.Plaintext instanceof Uint8Array)) throw emptyAnswer('GenerateDataKey');
    const plaintext = adopt(answer.Plaintext);
    this.#expectOwnKey('GenerateDataKey', answer.KeyId, plaintext);
    if (plaintext.length === request.length && answer.CiphertextBlob instanceof Uint8Array) {
      return { plaintext, entry: this.#entry(symmetricStyle, answer.CiphertextBlob) };
    }
    plaintext[Symbol.dispose]();
    throw emptyAnswer('GenerateDataKey');
  }

  async #encrypt(style: KeyStyle, request: WrapCall): Promise<EncryptedDataKey> {
    const command = new EncryptCommand({
      KeyId: this.keyId,
      Plaintext: request.plaintext.reveal(),
      ...bindingOf(style, request.context),
    });
    const answer = await this.#calls.call('Encrypt', request.signal, (client, options) =>
      client.send(command, options),
    );
    noteRequest(request.note, answer.$metadata.requestId);
    this.#expectOwnKey('Encrypt', answer.KeyId);
    if (!(answer.CiphertextBlob instanceof Uint8Array)) throw emptyAnswer('Encrypt');
    return this.#entry(style, answer.CiphertextBlob);
  }

  async #forgetStyleIfUnsuitable<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      const fault = error instanceof KmsError ? error.fault : undefined;
      if (fault?.kind === 'config' && fault.reason === 'KEY_UNSUITABLE') this.#style.forget();
      throw error;
    }
  }

  /**
   * Requires that an answer comes from the configured key, and from no other that an alias may have led to. The ARN
   * that AWS returns is what entries have to carry. Wipes `plaintext` where it does not.
   */
  #expectOwnKey(operation: string, answered: string | undefined, plaintext?: SecretBytes): void {
    if (answered === this.keyId) return;
    plaintext?.[Symbol.dispose]();
    if (answered === undefined) throw emptyAnswer(operation);
    throw this.#error(operation, { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, adviceForOtherKey);
  }

  #entry(style: KeyStyle, ciphertext: Uint8Array): EncryptedDataKey {
    return { providerId: style.providerId, providerInfo: this.#providerInfo, ciphertext: Buffer.from(ciphertext) };
  }

  #error(operation: string, fault: KmsFault, advice?: string): KmsError {
    return new KmsError(fault, { provider: this.provider, operation, ...(advice !== undefined && { advice }) });
  }
}

/** What binds a request beside the key: the context, or for an RSA key, which takes none, the algorithm. */
function bindingOf(style: KeyStyle, context: EncryptionContext) {
  return style === rsaStyle
    ? { EncryptionAlgorithm: rsaAlgorithm as typeof rsaAlgorithm }
    : { EncryptionContext: Object.fromEntries(context.pairs) };
}

/** The SDK's bytes as a secret: the same memory, so that wiping the secret wipes what the SDK decoded. */
function adopt(bytes: Uint8Array): SecretBytes {
  return SecretBytes.adopt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
