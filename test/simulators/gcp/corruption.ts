/**
 * Answers that changed on their way, against which Cloud KMS's integrity fields stand.
 *
 * Source: "Verify end-to-end data integrity" (https://cloud.google.com/kms/docs/data-integrity-guidelines).
 */
import type { Message } from './definitions.ts';

/**
 * What is wrong with the answer: a bit of its data, its checksum, a checksum that is missing, a request's checksum that
 * has not been looked at, or the name of a version that was not asked for.
 */
export type Corruption = 'data' | 'checksum' | 'no-checksum' | 'unverified' | 'version';

/** The answer with one thing wrong; throws for one that has no such thing, which is a mistake of the test. */
export function corrupted(answer: Message, what: Corruption): Message {
  const changes = Object.entries(answer).flatMap(([field, value]) => {
    const changed = change(what, field, value);
    return changed === undefined ? [] : [[field, changed.value]];
  });
  if (changes.length === 0) throw new TypeError(`the answer has no ${what} to corrupt`);
  return { ...answer, ...Object.fromEntries(changes) };
}

function change(what: Corruption, field: string, value: unknown): { readonly value: unknown } | undefined {
  const isChecksum = field.endsWith('Crc32c') && !field.startsWith('verified');
  switch (what) {
    case 'data':
      if (Buffer.isBuffer(value)) return { value: flipped(value) };
      return field === 'pem' ? { value: flipped(Buffer.from(String(value))).toString('latin1') } : undefined;
    case 'checksum':
      return isChecksum ? { value: { value: '1' } } : undefined;
    case 'no-checksum':
      return isChecksum ? { value: null } : undefined;
    case 'unverified':
      return field.startsWith('verified') ? { value: false } : undefined;
    case 'version':
      return field === 'name' ? { value: String(value).replace(/[^/]*$/, '999') } : undefined;
  }
}

/** One bit in the middle; of text it makes another letter. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}
