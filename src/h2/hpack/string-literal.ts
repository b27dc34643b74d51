/** Strings of a block: a length, and the bytes as they are or in the Huffman code (RFC 7541 section 5.2). */
import { huffmanSize, maxDecodedSize, readHuffman, writeHuffman } from './huffman.ts';
import { type Cursor, prefixes, readInteger, writeInteger } from './integer.ts';

/** Where strings are decoded. A longer one gets memory of its own, in proportion to the bytes that came. */
const scratch = Buffer.alloc(4096);

/** A string in a block, which is all there. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly isCoded: boolean;
}

/** Reads a string. Undefined where the block ends inside it or its code is not valid. */
export function readString(cursor: Cursor): string | undefined {
  const span = readSpan(cursor);
  if (span === undefined) return undefined;
  const { start, end, isCoded } = span;
  if (!isCoded) return cursor.bytes.toString('latin1', start, end);
  const target = targetFor(span);
  const size = readHuffman(cursor.bytes, { start, end, target });
  return size < 0 ? undefined : target.toString('latin1', 0, size);
}

/**
 * Reads a string as `readString` does, but only to see that it is valid and how many bytes it has. -1 where it is not.
 */
export function skipString(cursor: Cursor): number {
  const span = readSpan(cursor);
  if (span === undefined) return -1;
  const { start, end, isCoded } = span;
  return isCoded ? readHuffman(cursor.bytes, { start, end, target: targetFor(span) }) : end - start;
}

/** Writes a string in whichever way is shorter. It takes no more than its length and `maxIntegerSize`. */
export function writeString(cursor: Cursor, text: string): void {
  const size = huffmanSize(text);
  if (size < text.length) {
    writeInteger(cursor, prefixes.huffmanString, size);
    cursor.at = writeHuffman(text, cursor.bytes, cursor.at);
    return;
  }
  writeInteger(cursor, prefixes.rawString, text.length);
  cursor.at += cursor.bytes.write(text, cursor.at, 'latin1');
}

function readSpan(cursor: Cursor): Span | undefined {
  const { pattern, mask } = prefixes.huffmanString;
  const isCoded = ((cursor.bytes[cursor.at] ?? 0) & pattern) !== 0;
  const length = readInteger(cursor, mask);
  const start = cursor.at;
  const end = start + length;
  if (length < 0 || end > cursor.bytes.length) return undefined;
  cursor.at = end;
  return { start, end, isCoded };
}

function targetFor({ start, end }: Span): Buffer {
  const size = maxDecodedSize(end - start);
  return size <= scratch.length ? scratch : Buffer.allocUnsafe(size);
}
