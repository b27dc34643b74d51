/** Frames of HTTP/2: how they are written down here, and mutations that keep them frames. */
import { headLength } from '../../../src/h2/frames.ts';
import { mutateBytes } from '../engine/bytes.ts';
import type { Dice } from '../engine/dice.ts';
import { blockPieces } from './blocks.ts';

/** A frame. */
export function frame(type: number, flag: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(headLength);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Cuts bytes into frames by what their heads say; the last piece may be no whole frame. */
export function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + headLength <= bytes.length ? at + headLength + bytes.readUIntBE(at, 3) : bytes.length;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

const numbers = [
  0,
  1,
  2,
  255,
  16_383,
  16_384,
  16_385,
  65_535,
  65_536,
  2 ** 24 - 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
] as const;
const ids = [0, 1, 1, 1, 3, 3, 5, 7, 9, 2, 2 ** 31 - 1, 2 ** 31 + 1] as const;
const flagSets = [0, 1, 4, 4, 5, 5, 8, 9, 0x0d, 0x20, 0x24, 0x25, 0x2d, 0xff] as const;

/** A copy with one to a few changes, mostly of whole frames. */
export function mutateFrames(bytes: Buffer, dice: Dice, other: Buffer, extra?: (dice: Dice) => Buffer): Buffer {
  const frames = framesOf(bytes);
  for (let left = 1 + dice.small(4); left > 0; left--) changeOnce(frames, { dice, other, extra });
  return Buffer.concat(frames);
}

interface Means {
  readonly dice: Dice;
  readonly other: Buffer;
  readonly extra: ((dice: Dice) => Buffer) | undefined;
}

function changeOnce(frames: Buffer[], { dice, other, extra }: Means): void {
  const at = dice.below(frames.length + 1);
  const one = frames[at];
  if (one === undefined || one.length < headLength || dice.once(3)) {
    const others = framesOf(other);
    const from = dice.below(others.length + 1);
    if (extra !== undefined && dice.once(2)) frames.splice(at, 0, extra(dice));
    else if (dice.once(2)) frames.splice(at, 0, anyFrame(dice));
    else frames.splice(at, 0, ...others.slice(from, from + 1 + dice.small(6)));
    return;
  }
  const second = dice.below(frames.length);
  switch (dice.below(8)) {
    case 0:
      frames.splice(at, 1 + dice.small(3));
      return;
    case 1:
      frames.splice(second, 0, ...frames.slice(at, at + 1 + dice.small(4)));
      return;
    case 2:
      frames[at] = frames[second] ?? one;
      frames[second] = one;
      return;
    case 3:
      frames[at] = withPayload(one, mutateBytes(one.subarray(headLength), dice, other));
      return;
    case 4:
      frames[at] = withPayload(one, anyPayload(one[3] ?? 0, dice));
      return;
    default:
      frames[at] = withOtherHead(one, dice);
  }
}

function withPayload(one: Buffer, payload: Buffer): Buffer {
  return frame(one[3] ?? 0, one[4] ?? 0, one.readUInt32BE(5), payload);
}

function withOtherHead(one: Buffer, dice: Dice): Buffer {
  const changed = Buffer.from(one);
  switch (dice.below(6)) {
    case 0:
      changed[3] = dice.once(4) ? dice.below(256) : dice.below(10);
      break;
    case 1:
      changed[4] = dice.pick(flagSets);
      break;
    case 2:
      changed[4] = (changed[4] ?? 0) ^ (1 << dice.below(8));
      break;
    case 3:
      if (dice.once(4)) changed.writeUIntBE(dice.pick(numbers) % 2 ** 24, 0, 3);
      break;
    case 4:
      changed.writeUInt32BE((changed.readUInt32BE(5) + 2) % 2 ** 32, 5);
      break;
    default:
      changed.writeUInt32BE(dice.pick(ids), 5);
  }
  return changed;
}

function anyFrame(dice: Dice): Buffer {
  const type = dice.once(12) ? dice.below(256) : dice.below(10);
  const onStream = type < 4 || type > 7;
  const id = onStream || dice.once(20) ? dice.pick(ids) : 0;
  return frame(type, dice.pick(flagSets), id, anyPayload(type, dice));
}

function anyPayload(type: number, dice: Dice): Buffer {
  switch (type) {
    case 0:
      return Buffer.alloc(dice.once(8) ? dice.pick(numbers) % 16_400 : dice.small(64), dice.pick([0, 1, 3, 0x61]));
    case 1:
    case 9:
      return Buffer.concat(Array.from({ length: 1 + dice.small(5) }, () => dice.pick(blockPieces)));
    case 2:
      return Buffer.of(0, 0, 0, dice.below(5), 16).subarray(0, dice.once(4) ? dice.below(6) : 5);
    case 4:
      return Buffer.concat(Array.from({ length: dice.small(4) }, () => anySetting(dice)));
    case 6:
      return dice.once(4)
        ? Buffer.alloc(dice.below(10), 1)
        : Buffer.from(dice.once(2) ? 'leaving\0' : 'abcdefgh', 'latin1');
    case 7:
      return Buffer.alloc(dice.once(4) ? dice.below(12) : 8);
    default:
      return number(dice.once(2) ? dice.pick(numbers) : dice.small(70_000)).subarray(
        0,
        dice.once(8) ? dice.below(5) : 4,
      );
  }
}

function anySetting(dice: Dice): Buffer {
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(dice.below(8), 0);
  setting.writeUInt32BE(dice.once(2) ? dice.pick(numbers) : dice.small(70_000), 2);
  return setting;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
