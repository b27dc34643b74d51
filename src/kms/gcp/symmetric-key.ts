/** How a symmetric key wraps and unwraps: Cloud KMS does both, with the context as associated data. */
import type { EncryptionContext } from '../../base/encryption-context.ts';
import { SecretBytes } from '../../base/secret.ts';
import { KmsError } from '../fault.ts';
import { operationName } from './failure.ts';
import { type KeyStyle, maxBytes } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { bytesOf } from './messages.ts';
import { versionName, versionOf } from './names.ts';
import { checksumOf, fits, verified } from './verified.ts';

/** What Cloud KMS made of a data key, and under which version. */
export interface WrappedKey {
  readonly version: string;
  readonly ciphertext: Buffer;
}

type SymmetricStyle = KeyStyle & { readonly kind: 'symmetric' };

/** The symmetric half of one key. */
export class SymmetricKey {
  readonly #calls: KmsCalls;
  readonly #configured: string | undefined;

  /** `configured`: the version that new data keys go under; absent: the primary, which Google takes by itself. */
  constructor(calls: KmsCalls, configured: string | undefined) {
    this.#calls = calls;
    this.#configured = configured;
  }

  /** Wraps `plaintext`, which stays the caller's. */
  async wrap(
    style: SymmetricStyle,
    { plaintext, context, signal }: { plaintext: SecretBytes; context: EncryptionContext; signal: AbortSignal },
  ): Promise<WrappedKey> {
    if (!this.#holds(style, plaintext.length, context)) throw tooLong(style);
    const version = this.#configured;
    const { keyName } = this.#calls;
    return verified('encrypt', async () => {
      const bytes = plaintext.reveal();
      const request = {
        name: version === undefined ? keyName : versionName(keyName, version),
        plaintext: bytes,
        plaintextCrc32c: checksumOf(bytes),
        ...boundTo(context),
      };
      const answer = await this.#calls.call('encrypt', request, { signal, ...(version !== undefined && { version }) });
      const ciphertext = bytesOf(answer.ciphertext);
      if (!answer.verifiedPlaintextCrc32c || !answer.verifiedAdditionalAuthenticatedDataCrc32c) return undefined;
      if (ciphertext === undefined || !fits(ciphertext, answer.ciphertextCrc32c)) return undefined;
      // A copy of its own: what was decoded is part of the whole answer.
      return { version: this.#expectOwn(answer.name), ciphertext: Buffer.from(ciphertext) };
    });
  }

  /** Unwraps what a version of the key wrapped. */
  async unwrap(
    style: SymmetricStyle,
    { wrapped, context, signal }: { wrapped: WrappedKey; context: EncryptionContext; signal: AbortSignal },
  ): Promise<SecretBytes> {
    const { ciphertext, version } = wrapped;
    if (ciphertext.length === 0 || ciphertext.length > maxBytes || !this.#holds(style, 0, context)) throw damaged();
    return verified('decrypt', async () => {
      const request = {
        name: this.#calls.keyName,
        ciphertext,
        ciphertextCrc32c: checksumOf(ciphertext),
        ...boundTo(context),
      };
      const answer = await this.#calls.call('decrypt', request, { signal, version });
      const plaintext = bytesOf(answer.plaintext);
      if (plaintext === undefined) return undefined;
      const secret = SecretBytes.adopt(plaintext);
      if (fits(secret.reveal(), answer.plaintextCrc32c)) return secret;
      secret[Symbol.dispose]();
      return undefined;
    });
  }

  #holds({ maxTogether }: SymmetricStyle, length: number, { serialized }: EncryptionContext): boolean {
    return length + serialized.length <= (maxTogether ?? Number.POSITIVE_INFINITY) && serialized.length <= maxBytes;
  }

  /** The version that wrapped; what another key wrapped, nobody could open here. */
  #expectOwn(name: unknown): string {
    const version = versionOf(this.#calls.keyName, name);
    const isWanted = version !== undefined && version === (this.#configured ?? version);
    if (isWanted) return version;
    throw new KmsError(
      { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' },
      {
        provider: 'gcp_kms',
        operation: operationName('encrypt'),
        providerCode: 'OTHER_KEY',
        advice: 'check the endpoint: another key than the one that was named has answered',
      },
    );
  }
}

/** Nothing is bound by an empty context; its checksum is sent all the same, and has to be verified. */
function boundTo({ serialized }: EncryptionContext) {
  return {
    additionalAuthenticatedData: serialized,
    additionalAuthenticatedDataCrc32c: checksumOf(serialized),
  };
}

function tooLong({ maxTogether = maxBytes }: SymmetricStyle): KmsError {
  return new KmsError(
    { kind: 'config', reason: 'CONTEXT_INVALID' },
    {
      provider: 'gcp_kms',
      operation: operationName('encrypt'),
      advice: `the key takes ${maxTogether} bytes of data key and context together; use a shorter context`,
    },
  );
}

/** The error for what cannot have been wrapped by the key, found without asking. */
export function damaged(): KmsError {
  return new KmsError({ kind: 'data' }, { provider: 'gcp_kms', operation: operationName('decrypt') });
}
