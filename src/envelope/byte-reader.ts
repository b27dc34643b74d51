/** A cursor over untrusted bytes: every step is checked against what is there. */
import { failDecryption } from './failure.ts';

/** Reads big-endian fields one after the other; each method throws `DECRYPT_FAILED` when the bytes run out. */
export class ByteReader {
  readonly #bytes: Buffer;
  #offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** Where the next field begins. */
  get offset(): number {
    return this.#offset;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8));
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Passes over `length` bytes. */
  skip(length: number): void {
    this.#advance(length);
  }

  #advance(length: number): number {
    const start = this.#offset;
    if (this.#bytes.length - start < length) failDecryption('the bytes end in the middle of a field');
    this.#offset = start + length;
    return start;
  }
}
