/** Buffers for output, used again and again. What was in one is overwritten before another connection gets it. */

/** Size of a block in bytes: several answers, or a frame of the largest size with its head. */
export const blockBytes = 32_768;
/** Blocks that are kept for later, at most. */
const maxSpare = 64;

/** A buffer and how much of it is used. */
export interface Block {
  readonly bytes: Buffer;
  used: number;
}

const spare: Block[] = [];

/** A block with room for `size` bytes. */
export function takeBlock(size: number): Block {
  if (size > blockBytes) return { bytes: Buffer.alloc(size), used: 0 };
  return spare.pop() ?? { bytes: Buffer.alloc(blockBytes), used: 0 };
}

/** Overwrites a block and keeps it for later. Only once nobody reads it any more: neither the caller nor the kernel. */
export function returnBlock(block: Block): void {
  block.bytes.fill(0, 0, block.used);
  block.used = 0;
  if (block.bytes.length === blockBytes && spare.length < maxSpare) spare.push(block);
}
