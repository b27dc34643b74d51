/**
 * The message format once more, in the plainest way: where everything lies in a message, or that it is none. Nothing of
 * it is shared with the reader that is fuzzed (AWS Encryption SDK specification, data-format).
 */
import { isUtf8 } from 'node:buffer';

/** What the number of an algorithm suite means. */
export interface PlainSuite {
  readonly version: 1 | 2;
  readonly keyLength: 16 | 24 | 32;
  readonly kdf: 'none' | 'sha256' | 'sha384' | 'committing';
  readonly curve?: 'P-256' | 'P-384';
}

/** All suites by their numbers. */
export const plainSuites: ReadonlyMap<number, PlainSuite> = new Map([
  [0x0014, { version: 1, keyLength: 16, kdf: 'none' }],
  [0x0046, { version: 1, keyLength: 24, kdf: 'none' }],
  [0x0078, { version: 1, keyLength: 32, kdf: 'none' }],
  [0x0114, { version: 1, keyLength: 16, kdf: 'sha256' }],
  [0x0146, { version: 1, keyLength: 24, kdf: 'sha256' }],
  [0x0178, { version: 1, keyLength: 32, kdf: 'sha256' }],
  [0x0214, { version: 1, keyLength: 16, kdf: 'sha256', curve: 'P-256' }],
  [0x0346, { version: 1, keyLength: 24, kdf: 'sha384', curve: 'P-384' }],
  [0x0378, { version: 1, keyLength: 32, kdf: 'sha384', curve: 'P-384' }],
  [0x0478, { version: 2, keyLength: 32, kdf: 'committing' }],
  [0x0578, { version: 2, keyLength: 32, kdf: 'committing', curve: 'P-384' }],
]);

/** A piece of a body: its content and the tag after it. */
export interface Piece {
  readonly kind: 'regular' | 'final' | 'single';
  /** The number that is due. */
  readonly sequence: number;
  /** Whether it has that number, and is no longer than it may be. */
  readonly isDue: boolean;
  readonly start: number;
  readonly ivAt: number;
  readonly contentAt: number;
  readonly length: number;
}

export interface Layout {
  readonly suiteId: number;
  readonly suite: PlainSuite;
  readonly idAt: number;
  readonly pairs: readonly (readonly [string, string])[];
  /** The bytes of the context, without their length. */
  readonly context: Buffer;
  /** The entries as one piece, and how many they are. */
  readonly entries: Buffer;
  readonly entryCount: number;
  readonly isFramed: boolean;
  readonly frameLength: number;
  /** Where the commitment ends that version 2 has, and what is authenticated with it. */
  readonly authenticatedEnd: number;
  readonly tagAt: number;
  readonly bodyAt: number;
  /** As many pieces as are whole. */
  readonly pieces: readonly Piece[];
  /** Where the body ends; undefined where it has no end. */
  readonly bodyEnd: number | undefined;
}

class Cut extends Error {}

class Cursor {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new Cut();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  number(length: number): number {
    return this.take(length).readUIntBE(0, length);
  }

  /** A field with its length in two bytes before it. */
  field(): Buffer {
    return this.take(this.number(2));
  }
}

/** Where everything lies; undefined where the header is none. */
export function layoutOf(bytes: Buffer): Layout | undefined {
  try {
    return readHeader(new Cursor(bytes));
  } catch (error) {
    if (error instanceof Cut) return undefined;
    throw error;
  }
}

function expect(holds: boolean): void {
  if (!holds) throw new Cut();
}

function readHeader(cursor: Cursor): Layout {
  const version = cursor.number(1);
  if (version === 1) expect(cursor.number(1) === 0x80);
  const suiteId = cursor.number(2);
  const suite = plainSuites.get(suiteId);
  if (suite === undefined || suite.version !== version) throw new Cut();
  const idAt = cursor.at;
  cursor.take(version === 1 ? 16 : 32);
  const context = cursor.field();
  const pairs = pairsOf(context);
  expect(pairs.some(([name]) => name === 'aws-crypto-public-key') === (suite.curve !== undefined));
  const entryCount = cursor.number(2);
  expect(entryCount > 0 && entryCount <= 16);
  const entriesAt = cursor.at;
  for (let left = entryCount * 3; left > 0; left--) cursor.field();
  const entries = cursor.bytes.subarray(entriesAt, cursor.at);
  const content = cursor.number(1);
  expect(content === 1 || content === 2);
  if (version === 1) expect(cursor.number(4) === 0 && cursor.number(1) === 12);
  const frameLength = cursor.number(4);
  expect((frameLength === 0) === (content === 1));
  if (version === 2) cursor.take(32);
  const authenticatedEnd = cursor.at;
  if (version === 1) cursor.take(12);
  const tagAt = cursor.at;
  cursor.take(16);
  const bodyAt = cursor.at;
  const isFramed = content === 2;
  const head = { suiteId, suite, idAt, pairs, context, entries, entryCount, isFramed, frameLength };
  return { ...head, authenticatedEnd, tagAt, bodyAt, ...readBody(cursor, { isFramed, frameLength }) };
}

/** The pairs of a context; throws where the bytes are none. */
export function pairsOf(bytes: Buffer): [string, string][] {
  if (bytes.length === 0) return [];
  const cursor = new Cursor(bytes);
  const count = cursor.number(2);
  expect(count > 0);
  const pairs = Array.from({ length: count }, (): [string, string] => [text(cursor.field()), text(cursor.field())]);
  expect(cursor.at === bytes.length && new Set(pairs.map(([name]) => name)).size === count);
  return pairs;
}

function text(bytes: Buffer): string {
  expect(isUtf8(bytes));
  return bytes.toString();
}

function readBody(cursor: Cursor, shape: Pick<Layout, 'isFramed' | 'frameLength'>) {
  const pieces: Piece[] = [];
  try {
    for (;;) {
      const piece = readPiece(cursor, pieces.length + 1, shape);
      pieces.push(piece);
      if (piece.kind !== 'regular') return { pieces, bodyEnd: cursor.at };
    }
  } catch (error) {
    if (error instanceof Cut) return { pieces, bodyEnd: undefined };
    throw error;
  }
}

function readPiece(cursor: Cursor, sequence: number, shape: Pick<Layout, 'isFramed' | 'frameLength'>): Piece {
  const { isFramed, frameLength } = shape;
  const start = cursor.at;
  const first = isFramed ? cursor.number(4) : undefined;
  const kind = first === undefined ? 'single' : first === 0xffffffff ? 'final' : 'regular';
  const written = kind === 'final' ? cursor.number(4) : first;
  const ivAt = cursor.at;
  cursor.take(12);
  let length = frameLength;
  if (kind === 'final') length = cursor.number(4);
  if (kind === 'single') length = cursor.number(4) * 2 ** 32 + cursor.number(4);
  const contentAt = cursor.at;
  cursor.take(length + 16);
  const isDue = !isFramed || (written === sequence && length <= frameLength);
  return { kind, sequence, isDue, start, ivAt, contentAt, length };
}
