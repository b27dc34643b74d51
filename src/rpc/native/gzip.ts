/** Messages that are compressed with gzip (RFC 1952). */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Refusal } from './handler.ts';

const [compress, decompress] = [promisify(gzip), promisify(gunzip)];

/** Compresses a message. */
export function compressed(message: Buffer): Promise<Buffer> {
  return compress(message);
}

/** A message that is not what it should be. */
export class UnusableMessage extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super('the message cannot be used');
    this.name = 'UnusableMessage';
    this.refusal = refusal;
  }
}

/** Decompresses a message of at most `limit` bytes. Rejects with an UnusableMessage for a larger and a broken one. */
export async function decompressed(message: Buffer, limit: number): Promise<Buffer> {
  try {
    return await decompress(message, { maxOutputLength: Math.max(limit, 1) });
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw new UnusableMessage(
      isTooLarge
        ? { kind: 'message too large', size: undefined, limit }
        : { kind: 'malformed', what: 'a compressed message is not gzip' },
    );
  }
}
