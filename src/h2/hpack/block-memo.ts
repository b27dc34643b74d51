/**
 * The last few blocks that one decoder read, and what they came to. A client's calls differ in little: most of its
 * blocks are byte for byte one of those before.
 */

/** How many blocks are remembered. */
const slots = 4;
/** Longest block that is remembered, in bytes: that of a call with a token, which many clients never index. */
const maxSize = 2048;
/** Room for most blocks. */
const usualSize = 256;
/** Longest block that is copied and compared byte by byte: up to it, a call into the runtime costs more. */
const shortBlock = 48;

interface Slot<T> {
  bytes: Uint8Array;
  length: number;
  result: T | undefined;
}

/** Results by the bytes of blocks, of which it keeps copies. Its owner clears it when they would come to something else. */
export class BlockMemo<T> {
  readonly #slots: Slot<T>[] = [];
  #next = 0;

  /** What the same bytes came to, if they are remembered. */
  find(block: Buffer): T | undefined {
    for (const slot of this.#slots) {
      if (slot.length === block.length && slot.result !== undefined && isEqual(slot.bytes, block)) return slot.result;
    }
    return undefined;
  }

  /** Remembers a block in place of the one that was remembered first. One that is long is passed over. */
  keep(block: Buffer, result: T): void {
    if (block.length > maxSize) return;
    const slot = this.#slots[this.#next] ?? this.#addSlot();
    if (slot.bytes.length < block.length) slot.bytes = new Uint8Array(maxSize);
    copy(block, slot.bytes);
    slot.length = block.length;
    slot.result = result;
    this.#next = (this.#next + 1) % slots;
  }

  /** Forgets all blocks, their bytes too: a caller's credentials may be among them. */
  clear(): void {
    if (this.#slots.length > 0) this.#slots.length = 0;
    this.#next = 0;
  }

  #addSlot(): Slot<T> {
    const slot: Slot<T> = { bytes: new Uint8Array(usualSize), length: 0, result: undefined };
    this.#slots.push(slot);
    return slot;
  }
}

/** Copies `block` to the front of `target`. */
function copy(block: Buffer, target: Uint8Array): void {
  if (block.length > shortBlock) target.set(block);
  else for (let i = 0; i < block.length; i++) target[i] = block[i] ?? 0;
}

/** Whether the front of `kept` holds the bytes of `block`. */
function isEqual(kept: Uint8Array, block: Buffer): boolean {
  const { length } = block;
  if (length > shortBlock) return block.compare(kept, 0, length) === 0;
  for (let i = 0; i < length; i++) if (kept[i] !== block[i]) return false;
  return true;
}
