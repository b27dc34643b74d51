/**
 * Reads header blocks (RFC 7541). Each first byte says what follows:
 *
 *     1.......  a field of a table                    01......  a literal that enters the dynamic table
 *     001.....  a new largest size of that table      000.....  a literal that does not
 *
 * A block comes from somebody who may mean ill. A few bytes can stand for many: one byte for a field of the dynamic
 * table, however large, and again with the next byte. So fields that do not fit the list are counted and not kept, and
 * no memory is taken because a length says so, only for bytes that are there.
 */
import { BlockMemo } from './block-memo.ts';
import { DynamicTable } from './dynamic-table.ts';
import type { HeaderField, HeaderList } from './field.ts';
import { type Cursor, prefixes, readInteger } from './integer.ts';
import { ListBuilder } from './list-builder.ts';
import { defaultTableSize, staticFields } from './static-table.ts';
import { readString, skipString } from './string-literal.ts';

/**
 * A block that RFC 7541 calls a decoding error. The tables of both sides are then out of step for good: the connection
 * ends with COMPRESSION_ERROR (RFC 9113 section 4.3), and the decoder is of no more use. The message names no input.
 */
export class CompressionError extends Error {
  constructor(why: string) {
    super(`reading a header block: ${why}`);
    this.name = 'CompressionError';
  }
}

/** What a header block came to. */
export interface DecodedBlock {
  readonly fields: HeaderList;
  /** What the fields count before compression (RFC 9113 section 6.5.2): name + value + 32 each, in bytes. */
  readonly size: number;
  /** `size` is above what the decoder was told to keep; `fields` are then only the first of them. */
  readonly isTooLarge: boolean;
}

/** Limits of a decoder, both in bytes. */
export interface DecoderOptions {
  /**
   * What this side announced as SETTINGS_HEADER_TABLE_SIZE. Below the 4,096 that HTTP/2 starts with, the peer has to
   * know it before its first block, since the table starts with no more than this.
   */
  readonly maxTableSize: number;
  /** What the fields of one block may count (RFC 9113 section 6.5.2). */
  readonly maxListSize: number;
}

/** The most size updates that may stand before the first field of a block (RFC 7541 section 4.2). */
const maxSizeUpdates = 2;

/** Reads the blocks of one direction of a connection, all of them and in order. */
export class HeaderDecoder {
  readonly #options: DecoderOptions;
  readonly #table: DynamicTable;
  readonly #memo = new BlockMemo<DecodedBlock>();

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#table = new DynamicTable(Math.min(options.maxTableSize, defaultTableSize));
  }

  /**
   * Reads a whole block, of which it keeps copies only. Equal blocks give the same object, for as long as it is one of
   * the last few and none has changed the dynamic table. Throws `CompressionError`.
   */
  decode(block: Buffer): DecodedBlock {
    const known = this.#memo.find(block);
    if (known !== undefined) return known;
    const { generation } = this.#table;
    const cursor: Cursor = { bytes: block, at: 0 };
    this.#readSizeUpdates(cursor);
    const list = new ListBuilder(this.#options.maxListSize);
    while (cursor.at < block.length) this.#readField(cursor, list);
    const decoded = { fields: list.fields, size: list.size, isTooLarge: list.isTooLarge };
    if (this.#table.generation === generation) this.#memo.keep(block, decoded);
    return decoded;
  }

  #readSizeUpdates(cursor: Cursor): void {
    for (let count = 1; isSizeUpdate(cursor); count++) {
      if (count > maxSizeUpdates) malformed('the table size is updated more than twice');
      const size = readInteger(cursor, prefixes.sizeUpdate.mask);
      if (size < 0) malformed('a table size is cut off or too long');
      if (size > this.#options.maxTableSize) malformed('a table size is above the limit');
      this.#memo.clear();
      this.#table.resize(size);
    }
  }

  #readField(cursor: Cursor, list: ListBuilder): void {
    const first = cursor.bytes[cursor.at] ?? 0;
    if (first >= prefixes.indexed.pattern) list.add(this.#readIndexed(cursor, prefixes.indexed.mask));
    else if (first >= prefixes.inserted.pattern) this.#readInserted(cursor, list);
    else if (first >= prefixes.sizeUpdate.pattern) malformed('the table size is updated after a field');
    else if (list.isTooLarge) this.#countLiteral(cursor, list);
    else list.add(this.#readLiteral(cursor, prefixes.plain.mask));
  }

  #readInserted(cursor: Cursor, list: ListBuilder): void {
    const field = this.#readLiteral(cursor, prefixes.inserted.mask);
    this.#memo.clear();
    this.#table.insert(field);
    list.add(field);
  }

  #readLiteral(cursor: Cursor, mask: number): HeaderField {
    const name = startsWithIndex(cursor, mask) ? this.#readIndexed(cursor, mask).name : readName(cursor);
    const value = readString(cursor) ?? malformed('a value is cut off or its code is not valid');
    return { name, value };
  }

  /** Reads past a literal that nobody will see: it has to be valid all the same, and counts. */
  #countLiteral(cursor: Cursor, list: ListBuilder): void {
    const { mask } = prefixes.plain;
    const isIndexed = startsWithIndex(cursor, mask);
    const nameLength = isIndexed ? this.#readIndexed(cursor, mask).name.length : skipName(cursor);
    const valueLength = skipString(cursor);
    if (valueLength < 0) malformed('a value is cut off or its code is not valid');
    list.count(nameLength, valueLength);
  }

  /** The field of the index that comes next, of whichever table (RFC 7541 section 2.3.3). */
  #readIndexed(cursor: Cursor, mask: number): HeaderField {
    const index = readInteger(cursor, mask);
    if (index < 0) malformed('an index is cut off or too long');
    const place = index - 1;
    const inStatic = staticFields.length;
    const field = place < inStatic ? staticFields[place] : this.#table.at(place - inStatic);
    return field ?? malformed('an index is of no field');
  }
}

function malformed(why: string): never {
  throw new CompressionError(why);
}

function isSizeUpdate({ bytes, at }: Cursor): boolean {
  const { pattern } = prefixes.sizeUpdate;
  const first = bytes[at] ?? 0;
  return first >= pattern && first < 2 * pattern;
}

/** Whether a literal's name is an index; a number of 0 says that a string follows. */
function startsWithIndex({ bytes, at }: Cursor, mask: number): boolean {
  return ((bytes[at] ?? 0) & mask) !== 0;
}

function readName(cursor: Cursor): string {
  cursor.at++;
  return readString(cursor) ?? malformed('a name is cut off or its code is not valid');
}

function skipName(cursor: Cursor): number {
  cursor.at++;
  const length = skipString(cursor);
  return length < 0 ? malformed('a name is cut off or its code is not valid') : length;
}
