/** A message by its parts, so that they can be changed one by one and still fit each other. */
import { mutateBytes } from '../engine/bytes.ts';
import type { Dice } from '../engine/dice.ts';
import { layoutOf, plainSuites } from './layout.ts';
import { pointOf } from './seal.ts';

/** A frame by what it says of itself; its tag is nothing until it is sealed. */
export interface Frame {
  readonly isFinal: boolean;
  readonly sequence: number;
  readonly iv: Buffer;
  readonly content: Buffer;
}

export interface Structure {
  readonly suiteId: number;
  readonly id: Buffer;
  readonly context: Buffer;
  readonly entryCount: number;
  readonly entries: Buffer;
  readonly isFramed: boolean;
  readonly frameLength: number;
  readonly frames: readonly Frame[];
  /** What follows the body: a footer where the message is signed. */
  readonly rest: Buffer;
}

/** The bytes of a message, with zeros where its commitment and tags belong. */
export function write(parts: Structure): Buffer {
  const { suiteId, id, context, entryCount, entries, isFramed, frameLength, frames, rest } = parts;
  const version = plainSuites.get(suiteId)?.version ?? 1;
  const tag = Buffer.alloc(16);
  const body = frames.flatMap(({ isFinal, sequence, iv, content }) => {
    if (!isFramed) return [iv, number(0, 4), number(content.length, 4), content, tag];
    const head = isFinal ? [number(0xffffffff, 4), number(sequence, 4)] : [number(sequence, 4)];
    return [...head, iv, ...(isFinal ? [number(content.length, 4)] : []), content, tag];
  });
  return Buffer.concat([
    Buffer.from(version === 1 ? [1, 0x80] : [2]),
    number(suiteId, 2),
    Buffer.concat([id, Buffer.alloc(32)]).subarray(0, version === 1 ? 16 : 32),
    number(context.length, 2),
    context,
    number(entryCount, 2),
    entries,
    Buffer.of(isFramed ? 2 : 1),
    ...(version === 1 ? [number(0, 4), Buffer.of(12)] : []),
    number(frameLength, 4),
    Buffer.alloc(version === 1 ? 12 : 32, 5),
    tag,
    ...body,
    rest,
  ]);
}

/** The parts of a message; undefined where it has no header. */
export function partsOf(bytes: Buffer): Structure | undefined {
  const layout = layoutOf(bytes);
  if (layout === undefined) return undefined;
  const { suiteId, suite, idAt, context, entries, entryCount, isFramed, frameLength, pieces } = layout;
  const frames = pieces.map(({ kind, start, ivAt, contentAt, length }) => ({
    isFinal: kind === 'final',
    sequence: bytes.readUInt32BE(kind === 'final' ? start + 4 : start),
    iv: bytes.subarray(ivAt, ivAt + 12),
    content: bytes.subarray(contentAt, contentAt + length),
  }));
  const last = pieces.at(-1);
  const rest = bytes.subarray(last === undefined ? layout.bodyAt : last.contentAt + last.length + 16);
  const id = bytes.subarray(idAt, idAt + (suite.version === 1 ? 16 : 32));
  return { suiteId, id, context, entryCount, entries, isFramed, frameLength, frames, rest };
}

/** A context of these pairs, in this order. */
export function contextOf(pairs: readonly (readonly [string, string])[]): Buffer {
  if (pairs.length === 0) return Buffer.alloc(0);
  return Buffer.concat([number(pairs.length, 2), ...pairs.flat().flatMap((part) => field(Buffer.from(part)))]);
}

/** An entry of these three fields. */
export function entryOf(...fields: readonly [string, string, string]): Buffer {
  return Buffer.concat(fields.flatMap((part) => field(Buffer.from(part))));
}

function field(bytes: Buffer): Buffer[] {
  return [number(bytes.length, 2), bytes];
}

function number(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

const ids: readonly [number, ...number[]] = [0x0478, ...plainSuites.keys()];
const names = ['a', 'b', 'tenant_id', 'keyproxy-ad', '', 'é'] as const;
const lengths = [1, 2, 3, 8, 16, 100, 65_536, 0, 0xffffffff] as const;

/** The same message with one part of it changed. */
export function withOtherPart(parts: Structure, dice: Dice, other: Structure): Structure {
  const { frames } = parts;
  const at = dice.below(frames.length + 1);
  const frame = frames[at];
  switch (dice.below(12)) {
    case 0: {
      const suiteId = dice.pick(ids);
      const curve = plainSuites.get(suiteId)?.curve;
      const pairs = curve === undefined ? [] : [['aws-crypto-public-key', pointOf(curve)] as const];
      return { ...parts, suiteId, context: contextOf([['a', 'b'], ...pairs]) };
    }
    case 1:
      return { ...parts, context: contextOf(somePairs(dice)) };
    case 2:
      return { ...parts, context: other.context };
    case 3:
      return { ...parts, entryCount: 1 + dice.small(18) };
    case 4: {
      const entryCount = 1 + dice.small(18);
      return { ...parts, entryCount, entries: Buffer.concat(new Array(entryCount).fill(entryOf('p', 'i', 'c'))) };
    }
    case 5:
      return { ...parts, frameLength: dice.pick(lengths) };
    case 6:
      return { ...parts, isFramed: !parts.isFramed, frameLength: parts.isFramed ? 0 : 8 };
    case 7:
      return { ...parts, frames: frames.toSpliced(at, 1) };
    case 8:
      return { ...parts, frames: frames.toSpliced(at, 0, frames[dice.below(frames.length)] ?? anyFrame(parts, dice)) };
    case 9:
      return { ...parts, frames: renumbered(frames.toSpliced(at, 0, anyFrame(parts, dice))) };
    case 10:
      return frame === undefined ? parts : { ...parts, frames: frames.with(at, changed(frame, dice)) };
    default:
      return { ...parts, rest: mutateBytes(parts.rest, dice, other.rest).subarray(0, 300) };
  }
}

function somePairs(dice: Dice): [string, string][] {
  return Array.from({ length: dice.small(5) }, () => [dice.pick(names), dice.pick(['1', '', 'b', 'x'.repeat(40)])]);
}

function anyFrame({ frameLength }: Structure, dice: Dice): Frame {
  const length = frameLength <= 200 ? frameLength : dice.small(40);
  return {
    isFinal: dice.once(3),
    sequence: 1 + dice.small(4),
    iv: Buffer.alloc(12, 9),
    content: Buffer.alloc(length, 3),
  };
}

function renumbered(frames: readonly Frame[]): Frame[] {
  return frames.map((frame, at) => ({ ...frame, sequence: at + 1, isFinal: at === frames.length - 1 }));
}

function changed(frame: Frame, dice: Dice): Frame {
  switch (dice.below(4)) {
    case 0:
      return { ...frame, isFinal: !frame.isFinal };
    case 1:
      return { ...frame, sequence: dice.pick([0, 1, 2, (frame.sequence + 1) % 2 ** 32, 0xffffffff]) };
    case 2:
      return { ...frame, content: frame.content.subarray(0, dice.below(frame.content.length + 1)) };
    default:
      return { ...frame, content: Buffer.concat([frame.content, Buffer.alloc(1 + dice.small(9), 1)]) };
  }
}
