/** For key services that make no data keys, or none that are bound to a context: made here, wrapped there. */
import { randomBytes } from 'node:crypto';
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import { SecretBytes } from '../base/secret.ts';
import type { GeneratedKey } from './key-service.ts';

/** A data key of `length` random bytes, wrapped by `wrap`. Throws what that throws; the bytes are wiped then. */
export async function generateByWrap(
  length: number,
  wrap: (plaintext: SecretBytes) => Promise<EncryptedDataKey>,
): Promise<GeneratedKey> {
  const plaintext = SecretBytes.adopt(randomBytes(length));
  try {
    return { plaintext, entry: await wrap(plaintext) };
  } catch (error) {
    plaintext[Symbol.dispose]();
    throw error;
  }
}
