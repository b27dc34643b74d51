/** Lines that are written together. */
import { idDigits, type LineForm, type LineNumber } from './line-form.ts';

/** A block of this many bytes is full. */
const fullAt = 2 ** 20;

/** Room for the longest line beyond that, and for a seal: seven strings of 2,048 characters, each of which may take six bytes. */
const slack = 2 ** 17;

/** Memory for one block. */
export function blockMemory(): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(fullAt + slack);
}

const [newline, brace] = [0x0a, 0x7d];
const hexDigits = Buffer.from('0123456789abcdef', 'latin1');

/** A call that has begun, and may end, while a block gathers. */
export interface Beginning {
  /** Adds the line of its begin where it has not ended: the block takes no more. */
  addTo(block: Block): void;
}

export class Block {
  /** Settles once for all whose lines are in it. */
  readonly written: Promise<void>;
  readonly memory: Buffer<ArrayBuffer>;
  /** Bytes in it. */
  length = 0;
  /** Entries in it. */
  entries = 0;
  /** The number of its last entry. */
  seq: number | undefined;
  isSettled = false;
  readonly #begun: Beginning[] = [];
  /** Bytes of the lines that those who have begun may still want. */
  #promised = 0;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };

  /** Fills `memory`, which is its own until its owner takes it back. */
  constructor(memory: Buffer<ArrayBuffer>) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.written = promise;
    this.memory = memory;
    this.#settle = { resolve, reject };
    // Nobody has to wait for it.
    promise.catch(() => {});
  }

  /** Bytes that it comes to at least, those included that it keeps room for. */
  get size(): number {
    return this.length + this.#promised;
  }

  get isFull(): boolean {
    return this.size >= fullAt;
  }

  /** A call has begun, whose begin is a line of `bytes` at most: it is written when the block closes. */
  begins(call: Beginning, bytes: number): void {
    this.#begun.push(call);
    this.#promised += bytes;
  }

  /** A call that began in this block ends in it, and needs no line of its begin. */
  ends(bytes: number): void {
    this.#promised -= bytes;
  }

  /** It gathers no more: what has begun and not ended has its line. */
  close(): void {
    for (const call of this.#begun) call.addTo(this);
    this.#begun.length = 0;
    this.#promised = 0;
  }

  /** Tells all who wait how it went; once. */
  settle(error?: unknown): void {
    if (this.isSettled) return;
    this.isSettled = true;
    if (error === undefined) this.#settle.resolve();
    else this.#settle.reject(error);
  }

  /** An entry's line, up to where its form ends. */
  addEntry(number: LineNumber, form: LineForm, call: number): void {
    const { memory } = this;
    let at = this.length;
    for (let from = 0; from < number.length; from += 1) memory[at + from] = number.bytes[from] ?? 0;
    at += number.length;
    memory.set(form.bytes, at);
    addHex(memory, at + form.idAt, call);
    this.length = at + form.bytes.length;
    this.entries += 1;
    this.seq = number.value;
  }

  /** Bytes of a line that is not at its end. */
  addBytes(bytes: Uint8Array): void {
    this.memory.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Characters of ASCII. */
  addText(text: string): void {
    this.length += this.memory.write(text, this.length, 'latin1');
  }

  /** The end of a line. */
  endLine(): void {
    this.memory[this.length] = brace;
    this.memory[this.length + 1] = newline;
    this.length += 2;
  }

  /** All of it so far. */
  get bytes(): Buffer<ArrayBuffer> {
    return this.memory.subarray(0, this.length);
  }
}

/** The last ten hexadecimal digits of `value`. */
function addHex(memory: Buffer, at: number, value: number): void {
  let [low, high] = [value >>> 0, Math.floor(value / 2 ** 32)];
  for (let digit = idDigits - 1; digit >= 0; digit -= 1) {
    memory[at + digit] = hexDigits[low & 15] ?? 0;
    low = (low >>> 4) | ((high & 15) << 28);
    high >>>= 4;
  }
}
