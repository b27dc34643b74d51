/**
 * The key service without a service: a key in a file, for development and tests. It knows no outage and no refusal.
 * Nonces are random, so one key file is good for 2^32 wraps (NIST SP 800-38D, section 8.3).
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import { SecretBytes } from '../../base/secret.ts';
import { KmsError } from '../fault.ts';
import { generateByWrap } from '../generate-by-wrap.ts';
import type { LocalKeyConfig } from '../key-config.ts';
import type { KeyFacts } from '../key-facts.ts';
import type { EntryCall, GenerateCall, KeyInfo, KeyService, WrapCall } from '../key-service.ts';
import { ivLength, ivOf, localEntry, tagLength } from './entry.ts';
import { readKeyFile } from './key-file.ts';

const algorithm = 'aes-256-gcm';

/** Opens the key of a file. Throws `KEY_SERVICE_MISCONFIGURED` with a sentence where the file cannot be used. */
export async function openLocalKey(config: LocalKeyConfig): Promise<KeyService> {
  return new LocalKey(config.keyName, await readKeyFile(config.keyFile));
}

class LocalKey implements KeyService {
  readonly provider = 'local';
  readonly keyId: string;
  readonly #name: Buffer;
  #key: KeyObject | undefined;

  constructor(keyName: string, key: KeyObject) {
    this.keyId = keyName;
    this.#name = Buffer.from(keyName, 'utf8');
    this.#key = key;
  }

  owns(entry: EncryptedDataKey): boolean {
    return ivOf(entry, this.#name) !== undefined;
  }

  describe(): KeyInfo {
    return { provider: this.provider, keyId: this.keyId, keyVersion: '' };
  }

  async generate(request: GenerateCall) {
    return generateByWrap(request.length, (plaintext) => this.wrap({ ...request, plaintext }));
  }

  async wrap(request: WrapCall) {
    const key = this.#usableKey('wrap', request.signal);
    const iv = randomBytes(ivLength);
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagLength });
    cipher.setAAD(request.context.serialized);
    const sealed = Buffer.concat([cipher.update(request.plaintext.reveal()), cipher.final(), cipher.getAuthTag()]);
    return localEntry(this.#name, iv, sealed);
  }

  async unwrap(request: EntryCall) {
    const key = this.#usableKey('unwrap', request.signal);
    const { ciphertext } = request.entry;
    const iv = ivOf(request.entry, this.#name);
    const end = ciphertext.length - tagLength;
    if (iv === undefined || end <= 0) throw failed('unwrap');
    const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagLength });
    decipher.setAAD(request.context.serialized);
    decipher.setAuthTag(ciphertext.subarray(end));
    // Unauthenticated until `final`: held as a secret from the first byte, so that a failure wipes it.
    const plaintext = SecretBytes.adopt(decipher.update(ciphertext.subarray(0, end)));
    try {
      decipher.final();
      return plaintext;
    } catch (cause) {
      plaintext[Symbol.dispose]();
      throw failed('unwrap', cause);
    }
  }

  /** The name that the tenant's file gives it. */
  async facts(): Promise<KeyFacts> {
    return { names: [this.keyId], tags: new Map() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#key = undefined;
  }

  #usableKey(operation: string, signal: AbortSignal): KeyObject {
    if (this.#key === undefined || signal.aborted) {
      const cause = signal.aborted ? signal.reason : new Error('the key has been closed');
      throw new KmsError(
        { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
        { provider: this.provider, operation, cause },
      );
    }
    return this.#key;
  }
}

/** A GCM cipher is a stream: all of the plaintext comes out of `update`, so nothing of it is left for `final`. */
function failed(operation: string, cause?: unknown): KmsError {
  return new KmsError({ kind: 'data' }, { provider: 'local', operation, cause });
}
