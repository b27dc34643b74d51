/** Mutations that know nothing of what bytes mean. */
import type { Dice } from './dice.ts';

/** Bytes at which something changes: signs, masks, ends. */
export const edgeBytes = [
  0, 1, 2, 4, 8, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xbe, 0xe1, 0xfe, 0xff,
] as const;

/** A copy with one to a few changes; `other` is an input to take pieces from. */
export function mutateBytes(input: Buffer, dice: Dice, other: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let left = 1 + dice.small(6); left > 0; left--) bytes = changeOnce(bytes, dice, other);
  return bytes;
}

function changeOnce(bytes: Buffer, dice: Dice, other: Buffer): Buffer {
  const at = dice.below(bytes.length + 1);
  if (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    switch (dice.below(10)) {
      case 0:
        bytes[at] = byte ^ (1 << dice.below(8));
        return bytes;
      case 1:
        bytes[at] = dice.below(256);
        return bytes;
      case 2:
        bytes[at] = dice.pick(edgeBytes);
        return bytes;
      case 3:
        bytes[at] = byte + 1 + dice.below(8);
        return bytes;
      case 4:
        bytes[at] = byte - 1 - dice.below(8);
        return bytes;
      case 5:
        return without(bytes, at, 1 + dice.small(16));
      case 6:
        return inserted(bytes, at, bytes.subarray(at, at + 1 + dice.small(32)));
      default:
    }
  }
  switch (dice.below(4)) {
    case 0:
      return inserted(bytes, at, Buffer.alloc(1 + dice.small(16), dice.pick(edgeBytes)));
    case 1: {
      const from = dice.below(other.length + 1);
      return inserted(bytes, at, other.subarray(from, from + 1 + dice.small(64)));
    }
    case 2:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(dice.below(other.length + 1))]);
    default:
      return bytes.subarray(0, at);
  }
}

function without(bytes: Buffer, at: number, count: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
}

export function inserted(bytes: Buffer, at: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}
