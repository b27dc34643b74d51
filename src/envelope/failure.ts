/**
 * The one way in which ciphertexts and wrapped DEKs fail. A caller who can tell one failure from another learns
 * something about a key or a plaintext that it does not hold, so they all look alike from outside.
 */
import { KeyproxyError } from '../base/errors.ts';

/**
 * Throws `DECRYPT_FAILED`, always with the same public text. `why` is for the log: a constant sentence, without any
 * byte of the input.
 */
export function failDecryption(why: string): never {
  throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error(why) });
}
