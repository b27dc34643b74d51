/**
 * Secret bytes: a buffer that does not print, serialise or compare by accident, and is overwritten when its owner
 * lets go. Every place that reads one says `reveal`, so that all of them can be found by search.
 */
import { inspect } from 'node:util';
import { ownCopy } from './bytes.ts';

/** Owns a buffer with a secret. `using secret = …` wipes it at the end of the scope. */
export class SecretBytes implements Disposable {
  #bytes: Buffer | undefined;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Takes over `bytes`: they are moved into memory of their own, and overwritten where they were. The caller must not
   * keep them. Nothing here asks for `bytes.buffer`: for bytes on V8's heap that alone would make a copy.
   */
  static adopt(bytes: Buffer): SecretBytes {
    const own = ownCopy(bytes);
    bytes.fill(0);
    return new SecretBytes(own);
  }

  /** Copies `bytes` into memory of their own; the original stays the caller's. */
  static copyOf(bytes: Uint8Array): SecretBytes {
    return new SecretBytes(ownCopy(bytes));
  }

  /** Length in bytes; 0 once disposed of. */
  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** The bytes themselves, still owned by the secret: use them now, keep none. Throws once disposed of. */
  reveal(): Buffer {
    if (this.#bytes === undefined) throw new Error('a secret was read after it had been wiped');
    return this.#bytes;
  }

  /** Overwrites the bytes; further calls do nothing. */
  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
