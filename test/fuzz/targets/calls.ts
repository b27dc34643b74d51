/** gRPC on a connection: calls of every kind, their messages cut, compressed, broken, and given up at any time. */
import { gzipSync } from 'node:zlib';
import { HeaderEncoder } from '../../../src/h2/hpack/encoder.ts';
import { CallScene } from '../connection/call-scene.ts';
import { anyHappening, happenings, optionsLength, scriptOf } from '../connection/script.ts';
import type { Dice } from '../engine/dice.ts';
import type { Target } from '../engine/target.ts';
import { frame, mutateFrames } from './frames.ts';

function head(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc',
  };
  const all = Object.entries({ ...fields, ...more }).map(([name, value]) => ({ name, value }));
  return new HeaderEncoder({ maxTableSize: 0 }).encode(all);
}

const paths = ['/u', '/s', '/c', '/b', '/none'] as const;
const extras: readonly [Record<string, string>, ...Record<string, string>[]] = [
  {},
  { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' },
  { 'grpc-accept-encoding': 'gzip' },
  { 'grpc-timeout': '3S' },
  { 'grpc-timeout': '1n', 'grpc-encoding': 'gzip' },
  { 'grpc-timeout': 'x' },
  { 'grpc-encoding': 'snappy' },
  { 'content-type': 'text/html' },
];

function message(payload: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** Messages, whole, broken and too large. */
function anyMessage(dice: Dice): Buffer {
  const what = dice.below(256);
  switch (dice.below(9)) {
    case 0:
      return message(gzipSync(Buffer.alloc(1 + dice.small(100), what)), 1);
    case 1:
      return message(gzipSync(Buffer.alloc(60_000, what)), 1);
    case 2:
      return message(Buffer.of(what, 2, 3), 1);
    case 3:
      return message(Buffer.alloc(dice.small(12_000), what)).subarray(0, dice.small(12_000));
    case 4:
      return message(Buffer.alloc(0), dice.below(3));
    case 5:
      return Buffer.of(0, 0, 0xff, 0xff, 0xff, what);
    default:
      return message(Buffer.alloc(1 + dice.small(20), what));
  }
}

const ids = [1, 1, 3, 5, 7] as const;

function anyPiece(dice: Dice): Buffer {
  const id = dice.pick(ids);
  if (dice.once(3))
    return frame(1, dice.once(6) ? 5 : 4, id, head(dice.pick(paths), dice.once(2) ? {} : dice.pick(extras)));
  if (dice.once(8)) return frame(0, 1, id);
  if (dice.once(5)) return anyHappening(dice);
  if (dice.once(8)) return frame(3, 0, id, Buffer.of(0, 0, 0, 8));
  const messages = Array.from({ length: 1 + dice.small(3) }, () => anyMessage(dice));
  return frame(0, dice.once(2) ? 1 : 0, id, Buffer.concat(messages).subarray(0, 16_384));
}

const settings = frame(4, 0, 0);

export const callsTarget: Target = {
  name: 'calls',
  maxSize: 40_000,
  seeds: paths.flatMap((path) =>
    extras.flatMap((extra) => [
      scene(frame(1, 4, 1, head(path, extra)), frame(0, 1, 1, message(Buffer.of(0, 1)))),
      scene(
        frame(1, 4, 1, head(path, extra)),
        frame(0, 1, 1, Buffer.concat(new Array<Buffer>(3).fill(message(Buffer.of(0, 1))))),
      ),
      scene(
        frame(1, 4, 1, head(path, extra)),
        frame(0, 0, 1, message(Buffer.of(1, 2, 3), 1)),
        frame(happenings.wait, 0, 0, Buffer.of(50)),
      ),
    ]),
  ),
  async run(input) {
    await new CallScene(scriptOf(input)).run();
  },
  mutate(input, dice, other) {
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(4)) options[0] = dice.below(4) ? 0 : dice.below(32);
    const [rest, others] = [input.subarray(optionsLength), other.subarray(optionsLength)];
    return Buffer.concat([options, mutateFrames(rest, dice, others, anyPiece)]);
  },
};

function scene(...frames: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.alloc(optionsLength), settings, ...frames]);
}
