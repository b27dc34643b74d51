/** Collects the fields of a block up to a limit, and goes on counting above it (RFC 9113 section 10.5.1). */
import { fieldOverhead, fieldSize, type HeaderField, type HeaderList } from './field.ts';

/** A list in the making. No field is kept after the first that goes beyond the limit, however small it is. */
export class ListBuilder {
  readonly #fields: HeaderField[] = [];
  readonly #maxSize: number;
  #size = 0;

  /** `maxSize`: what the fields may count, in bytes (RFC 9113 section 6.5.2). */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** What was kept. */
  get fields(): HeaderList {
    return this.#fields;
  }

  /** What all fields count, kept or not. */
  get size(): number {
    return this.#size;
  }

  /** No more fields are kept. */
  get isTooLarge(): boolean {
    return this.#size > this.#maxSize;
  }

  /** Counts a field, and keeps it if there is room. */
  add(field: HeaderField): void {
    this.#size += fieldSize(field);
    if (this.#size <= this.#maxSize) this.#fields.push(field);
  }

  /** Counts a field of which only the lengths are known. */
  count(nameLength: number, valueLength: number): void {
    this.#size += nameLength + valueLength + fieldOverhead;
  }
}
