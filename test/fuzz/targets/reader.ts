/**
 * The frame reader: its frames are those that a plain reader finds, however the bytes are cut into chunks, and it
 * throws nothing but a ConnectionError.
 *
 *     how it is cut (1) | how often it stops, and whether the preface is added (1) | what the client sends
 */
import { ConnectionError } from '../../../src/h2/errors.ts';
import { FrameReader } from '../../../src/h2/frame-reader.ts';
import { defaultMaxFrame, errorCodes, headLength, preface } from '../../../src/h2/frames.ts';
import { mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { chunksOf } from './chunks.ts';
import { frame, mutateFrames } from './frames.ts';

const optionsLength = 2;

export const readerTarget: Target = {
  name: 'reader',
  maxSize: 40_000,
  seeds: [
    Buffer.of(0, 0),
    Buffer.concat([Buffer.of(0, 0), preface]),
    Buffer.concat([Buffer.of(3, 1), frame(4, 0, 0), frame(0, 1, 1, Buffer.alloc(20, 7))]),
    Buffer.concat([
      Buffer.of(200, 1),
      frame(0, 0, 1, Buffer.alloc(defaultMaxFrame, 1)),
      frame(6, 0, 0, Buffer.alloc(8)),
    ]),
    Buffer.concat([Buffer.of(9, 1), frame(0, 0, 1, Buffer.alloc(defaultMaxFrame + 1, 1))]),
  ],
  run(input) {
    const sent = bytesOf(input);
    const want = plainReading(sent);
    compare([sent], want, 0);
    const how = input[0] ?? 0;
    const stops = (input[1] ?? 0) >> 1;
    if (how !== 0 || stops !== 0) compare(chunksOf(sent, how), want, stops);
  },
  mutate(input, dice, other) {
    if (dice.once(3)) return mutateBytes(input, dice, other);
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(4)) options[0] = dice.below(256);
    if (dice.once(8)) options[1] = dice.once(2) ? 1 : dice.small(64);
    return Buffer.concat([options, mutateFrames(input.subarray(optionsLength), dice, other.subarray(optionsLength))]);
  },
};

function bytesOf(input: Buffer): Buffer {
  const rest = input.subarray(optionsLength);
  return ((input[1] ?? 0) & 1) === 0 ? rest : Buffer.concat([preface, rest]);
}

interface Frame {
  readonly type: number;
  readonly flag: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** What bytes come to. */
interface Reading {
  readonly frames: readonly Frame[];
  /** The code of the error at which reading ended. */
  readonly error: number | undefined;
  readonly hasPreface: boolean;
}

/**
 * Reads chunks and compares; after `stops` frames no more are wanted for now, where it is not 0. The bytes are
 * overwritten after each chunk: nothing may hold on to them.
 */
function compare(chunks: readonly Buffer[], want: Reading, stops: number): void {
  let count = 0;
  const reader = new FrameReader((type, flag, id, bytes, start, end) => {
    const frame = want.frames[count++];
    if (frame === undefined) throw new Fault('there are more frames than were sent');
    if (type !== frame.type || flag !== frame.flag || id !== frame.id)
      throw new Fault('the head of a frame is another');
    if (bytes.compare(frame.payload, 0, frame.payload.length, start, end) !== 0) {
      throw new Fault('the payload of a frame is another');
    }
    return stops === 0 || count % stops !== 0;
  });
  const error = errorOf(() => {
    for (const chunk of chunks) {
      const copy = Buffer.from(chunk);
      for (let at = 0; at < copy.length; ) at = reader.read(copy, at);
      copy.fill(0xa5);
    }
  });
  if (count !== want.frames.length) throw new Fault('there are less frames than were sent');
  if (error !== want.error) throw new Fault('the error is another');
  if (reader.hasPreface !== want.hasPreface) throw new Fault('the preface has come or has not, and it says otherwise');
  reader.wipe();
  feature(1, Math.min(count, 20), error ?? -1);
}

function errorOf(read: () => void): number | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof ConnectionError) return error.code;
    throw error;
  }
}

/** The same from all bytes at once, in the plainest way. */
function plainReading(bytes: Buffer): Reading {
  const greeting = bytes.subarray(0, preface.length);
  const hasPreface = greeting.equals(preface);
  if (!hasPreface) {
    const isBegun = greeting.equals(preface.subarray(0, greeting.length));
    return { frames: [], error: isBegun ? undefined : errorCodes.protocolError, hasPreface };
  }
  const frames: Frame[] = [];
  for (let at = preface.length; at + headLength <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    if (length > defaultMaxFrame) return { frames, error: errorCodes.frameSizeError, hasPreface };
    const end = at + headLength + length;
    if (end > bytes.length) break;
    const id = bytes.readUInt32BE(at + 5) % 2 ** 31;
    frames.push({
      type: bytes[at + 3] ?? 0,
      flag: bytes[at + 4] ?? 0,
      id,
      payload: bytes.subarray(at + headLength, end),
    });
    at = end;
  }
  return { frames, error: undefined, hasPreface };
}
