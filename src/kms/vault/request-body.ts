/** The JSON of requests, written to bytes of which those with a key in them can be wiped. */
import { ownBytes } from '../../base/bytes.ts';
import { base64Length, writeBase64 } from '../base64.ts';

/** A value that becomes a JSON string: bytes as their base64, a string as it is, of characters that need no escape. */
export type Field = Uint8Array | string;

/** An object's fields in their order. */
export type Item = Readonly<Record<string, Field>>;

/** What a request is about: one item, or several as `batch_input`; `common` goes with either. */
export interface RequestBody {
  readonly items: readonly Item[];
  readonly common?: Item;
}

/**
 * The JSON of a request. One item stands for itself, several as Vault's `batch_input`. Whoever receives it wipes it.
 */
export function requestBody({ items, common = {} }: RequestBody): Buffer {
  const [first] = items;
  const writer = new Writer(
    items.length === 1 && first !== undefined ? sizeOf([{ ...common, ...first }]) : sizeOf([common, ...items]),
  );
  if (items.length === 1 && first !== undefined) {
    writer.object({ ...common, ...first });
    return writer.bytes();
  }
  writer.text('{');
  writer.fields(common);
  writer.text(`${Object.keys(common).length > 0 ? ',' : ''}"batch_input":[`);
  for (const [index, item] of items.entries()) {
    if (index > 0) writer.text(',');
    writer.object(item);
  }
  writer.text(']}');
  return writer.bytes();
}

/** Enough bytes for all of them, with what stands between. */
function sizeOf(items: readonly Item[]): number {
  let size = 64;
  for (const item of items) {
    size += 3;
    for (const [name, value] of Object.entries(item)) {
      size += name.length + 6 + (typeof value === 'string' ? value.length : base64Length(value.length));
    }
  }
  return size;
}

class Writer {
  readonly #bytes: Buffer;
  #length = 0;

  constructor(size: number) {
    this.#bytes = ownBytes(size);
  }

  text(value: string): void {
    this.#length += this.#bytes.write(value, this.#length, 'latin1');
  }

  object(item: Item): void {
    this.text('{');
    this.fields(item);
    this.text('}');
  }

  fields(item: Item): void {
    for (const [index, [name, value]] of Object.entries(item).entries()) {
      this.text(`${index > 0 ? ',' : ''}"${name}":"`);
      if (typeof value === 'string') this.text(value);
      else this.#length = writeBase64(value, this.#bytes, this.#length);
      this.text('"');
    }
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
