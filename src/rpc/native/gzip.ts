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

/** Messages of the whole process that are decompressed at a time: each may become thousands of times as large. */
const atOnce = 4;

let underWay = 0;
const line: (() => void)[] = [];

export interface DecompressOptions {
  /** The most bytes that may come out. */
  readonly limit: number;
  /** Whether somebody still wants the message, once it is its turn. */
  readonly isWanted: () => boolean;
}

/**
 * Decompresses a message, in its turn. Rejects with an UnusableMessage for one that is larger than `limit`, broken, or not
 * wanted any more.
 */
export async function decompressed(message: Buffer, { limit, isWanted }: DecompressOptions): Promise<Buffer> {
  if (underWay < atOnce) underWay++;
  else await new Promise<void>((admit) => line.push(admit));
  try {
    if (!isWanted()) throw new UnusableMessage({ kind: 'cancelled' });
    return await decompress(message, { maxOutputLength: Math.max(limit, 1) });
  } catch (error) {
    if (error instanceof UnusableMessage) throw error;
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw new UnusableMessage(
      isTooLarge
        ? { kind: 'message too large', size: undefined, limit }
        : { kind: 'malformed', what: 'a compressed message is not gzip' },
    );
  } finally {
    // The place goes to the next in line, if there is one.
    const next = line.shift();
    if (next === undefined) underWay--;
    else next();
  }
}
