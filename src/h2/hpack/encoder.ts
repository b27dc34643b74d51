/**
 * Writes header blocks (RFC 7541). What repeats is indexed, and what does not is kept out of the dynamic table: a field
 * enters it when it is met for the second time. Fields that are secret by name never do, and are marked so that nobody
 * on the way puts them into a table either (RFC 7541 section 7.1.3).
 */
import { DynamicTable } from './dynamic-table.ts';
import { fieldSize, type HeaderField, type HeaderList } from './field.ts';
import { FieldIndex } from './field-index.ts';
import { type Cursor, maxIntegerSize, type Prefix, prefixes, writeInteger } from './integer.ts';
import { ListCache } from './list-cache.ts';
import { RecentFields } from './recent-fields.ts';
import { defaultTableSize, staticFields, staticIndex } from './static-table.ts';
import { writeString } from './string-literal.ts';

/** Limits of an encoder. */
export interface EncoderOptions {
  /** The largest dynamic table that this side wants to keep, in bytes; the peer's setting may make it smaller. */
  readonly maxTableSize: number;
}

/** Sizes of the table that the next block has to tell: the smallest since the last block, and the present one. */
interface SizeUpdate {
  readonly smallest: number;
  readonly last: number;
}

/** Names whose values are secret, or can be guessed one by one from how well they compress. */
const sensitiveNames: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);

/** The part of the table that one field may take: a larger one would push out more than it could save. */
const largestShare = 1 / 4;

/** The most bytes of a field beside name and value: an index, or a first byte and two lengths. */
const maxFieldOverhead = 1 + 2 * maxIntegerSize;

/** Writes the blocks of one direction of a connection; the peer has to read all of them, in order. */
export class HeaderEncoder {
  readonly #maxTableSize: number;
  readonly #index = new FieldIndex();
  readonly #table: DynamicTable;
  /** How many fields have ever entered the table; it numbers them, since their indices move. */
  #inserted = 0;
  readonly #recent = new RecentFields();
  readonly #cache = new ListCache();
  #update: SizeUpdate | undefined;

  constructor({ maxTableSize }: EncoderOptions) {
    this.#maxTableSize = maxTableSize;
    this.#table = new DynamicTable(defaultTableSize, (field) => this.#index.remove(field));
    this.setMaxTableSize(defaultTableSize);
  }

  /**
   * Takes over the peer's SETTINGS_HEADER_TABLE_SIZE, in bytes. The next block tells the peer what the table's size is
   * then, and before it the smallest that it was in between (RFC 7541 section 4.2).
   */
  setMaxTableSize(size: number): void {
    const last = Math.min(size, this.#maxTableSize);
    if (this.#update === undefined && last === this.#table.maxSize) return;
    this.#update = { smallest: Math.min(this.#update?.smallest ?? last, last), last };
  }

  /**
   * Writes a block of fields, whose names are in lower case. The caller changes neither the list nor the bytes
   * afterwards: a list that is written again may give the same bytes.
   */
  encode(fields: HeaderList): Buffer {
    if (this.#update === undefined) {
      const cached = this.#cache.find(fields, this.#table.generation);
      if (cached !== undefined) return cached;
    }
    const cursor: Cursor = { bytes: Buffer.allocUnsafe(largestBlock(fields)), at: 0 };
    this.#writeSizeUpdate(cursor);
    let isSettled = cursor.at === 0;
    for (const field of fields) isSettled = this.#writeField(cursor, field) && isSettled;
    const block = cursor.bytes.subarray(0, cursor.at);
    if (isSettled) this.#cache.meet(fields, { generation: this.#table.generation, block });
    return block;
  }

  #writeSizeUpdate(cursor: Cursor): void {
    if (this.#update === undefined) return;
    const { smallest, last } = this.#update;
    this.#update = undefined;
    const sizes = smallest < last ? [smallest, last] : [last];
    for (const size of sizes) {
      this.#table.resize(size);
      writeInteger(cursor, prefixes.sizeUpdate, size);
    }
  }

  /** Writes a field; true where it is nothing but an index. */
  #writeField(cursor: Cursor, field: HeaderField): boolean {
    const inStatic = staticIndex.named(field.name);
    const inDynamic = this.#index.named(field.name);
    const isSensitive = sensitiveNames.has(field.name);
    if (!isSensitive) {
      const index = inStatic?.numbers.get(field.value) ?? this.#indexOf(inDynamic?.numbers.get(field.value));
      if (index !== undefined) {
        writeInteger(cursor, prefixes.indexed, index);
        return true;
      }
    }
    const isInserted = !isSensitive && this.#isWorthInserting(field);
    const prefix = isInserted ? prefixes.inserted : isSensitive ? prefixes.neverIndexed : prefixes.plain;
    writeLiteral(cursor, { prefix, nameIndex: inStatic?.newest ?? this.#indexOf(inDynamic?.newest) ?? 0, field });
    if (isInserted) this.#insert(field);
    return false;
  }

  #isWorthInserting(field: HeaderField): boolean {
    return fieldSize(field) <= this.#table.maxSize * largestShare && this.#recent.meet(field);
  }

  #insert({ name, value }: HeaderField): void {
    const field = { name, value };
    if (this.#table.insert(field)) this.#index.add(field, ++this.#inserted);
  }

  /** The index that the field of a number has now (RFC 7541 section 2.3.3). */
  #indexOf(number: number | undefined): number | undefined {
    return number === undefined ? undefined : staticFields.length + 1 + this.#inserted - number;
  }
}

/** The most bytes that the block of a list may take. */
function largestBlock(fields: HeaderList): number {
  let size = 2 * maxIntegerSize;
  for (const { name, value } of fields) size += name.length + value.length + maxFieldOverhead;
  return size;
}

/** A literal field, and how it is written; its name is the string where `nameIndex` is 0. */
interface Literal {
  readonly prefix: Prefix;
  readonly nameIndex: number;
  readonly field: HeaderField;
}

function writeLiteral(cursor: Cursor, { prefix, nameIndex, field }: Literal): void {
  writeInteger(cursor, prefix, nameIndex);
  if (nameIndex === 0) writeString(cursor, field.name);
  writeString(cursor, field.value);
}
