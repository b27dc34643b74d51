/**
 * The table that both sides fill alike (RFC 7541 section 2.3.2): first in, first out, bounded by the size of its
 * fields. It is a ring, so that adding and evicting move nothing.
 */
import { fieldSize, type HeaderField } from './field.ts';

/** Slots of a new ring; a power of two, as are all its sizes. */
const firstSlots = 16;

/** A dynamic table. */
export class DynamicTable {
  #ring: (HeaderField | undefined)[] = new Array<HeaderField | undefined>(firstSlots).fill(undefined);
  /** The slot for the next field. */
  #next = 0;
  #length = 0;
  #size = 0;
  #maxSize: number;
  #generation = 0;
  readonly #onEviction: ((field: HeaderField) => void) | undefined;

  /** `onEviction` hears of every field that leaves, oldest first. */
  constructor(maxSize: number, onEviction?: (field: HeaderField) => void) {
    this.#maxSize = maxSize;
    this.#onEviction = onEviction;
  }

  /** How many fields are in it. */
  get length(): number {
    return this.#length;
  }

  /** What its fields count, in bytes (RFC 7541 section 4.1). */
  get size(): number {
    return this.#size;
  }

  /** What they may count at most, in bytes. */
  get maxSize(): number {
    return this.#maxSize;
  }

  /** Another number after every change: while it stays the same, every index means what it meant. */
  get generation(): number {
    return this.#generation;
  }

  /** The field at a place, the newest being at 0; undefined beyond the oldest. `place` is a whole number. */
  at(place: number): HeaderField | undefined {
    if (place < 0 || place >= this.#length) return undefined;
    return this.#ring[(this.#next - 1 - place) & (this.#ring.length - 1)];
  }

  /**
   * Adds a field and evicts what it pushes out. One that is larger than the whole table empties it and is not added,
   * which is no error (RFC 7541 section 4.4). Tells whether it was added.
   */
  insert(field: HeaderField): boolean {
    this.#generation++;
    const size = fieldSize(field);
    this.#evictDownTo(this.#maxSize - size);
    if (size > this.#maxSize) return false;
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#ring.length - 1);
    this.#length++;
    this.#size += size;
    return true;
  }

  /** Sets another largest size and evicts what no longer fits (RFC 7541 section 4.3). */
  resize(maxSize: number): void {
    this.#generation++;
    this.#maxSize = maxSize;
    this.#evictDownTo(maxSize);
  }

  #evictDownTo(size: number): void {
    while (this.#length > 0 && this.#size > size) {
      const slot = (this.#next - this.#length) & (this.#ring.length - 1);
      const field = this.#ring[slot];
      this.#ring[slot] = undefined;
      this.#length--;
      if (field === undefined) continue;
      this.#size -= fieldSize(field);
      this.#onEviction?.(field);
    }
  }

  /** Doubles the ring when it is full. How far that goes, the largest size bounds: no field counts below 32. */
  #grow(): void {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    this.#next = ordered.length;
    this.#ring = [...ordered, ...new Array<HeaderField | undefined>(ordered.length).fill(undefined)];
  }
}
