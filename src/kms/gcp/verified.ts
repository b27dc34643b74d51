/** Answers whose checksums do not fit: asked for once more, then given up. */
import { crc32c } from './crc32c.ts';
import { type KmsAction, unusableAnswer } from './failure.ts';
import { numberOf } from './messages.ts';

/** A checksum as Cloud KMS takes it. */
export function checksumOf(bytes: Uint8Array): { value: number } {
  return { value: crc32c(bytes) };
}

/** Whether `bytes` have the checksum that came with them. An answer without one fits nothing. */
export function fits(bytes: Uint8Array, checksum: { readonly value?: unknown } | null | undefined): boolean {
  return numberOf(checksum) === crc32c(bytes);
}

/**
 * What `attempt` makes of an answer; undefined stands for one whose bytes changed on their way, there or back. Such a
 * one is asked for once more (https://cloud.google.com/kms/docs/data-integrity-guidelines); two in a row are an outage.
 */
export async function verified<T>(action: KmsAction, attempt: () => Promise<T | undefined>): Promise<T> {
  const result = (await attempt()) ?? (await attempt());
  if (result === undefined) throw unusableAnswer(action, 'CHECKSUM_MISMATCH');
  return result;
}
