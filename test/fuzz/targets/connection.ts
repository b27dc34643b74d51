/**
 * The whole connection: a client that sends anything, a network that cuts it anywhere, a socket that takes output or
 * does not, users of streams that do anything they may, and time.
 */

import { play } from '../connection/play.ts';
import { anyHappening, happenings, optionsLength, scriptOf } from '../connection/script.ts';
import { mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { requestBlock } from './blocks.ts';
import { frame, mutateFrames } from './frames.ts';

const settings = frame(4, 0, 0);
const settingsAck = frame(4, 1, 0);
const request = (id: number) => Buffer.concat([frame(1, 4, id, requestBlock), frame(0, 1, id, Buffer.alloc(9, 5))]);
const setting = (id: number, value: number) =>
  frame(4, 0, 0, Buffer.of(0, id, value >>> 24, value >>> 16, value >>> 8, value));
const widen = (id: number, by: number) => frame(8, 0, id, Buffer.of(by >>> 24, by >>> 16, by >>> 8, by));
const happening = (what: keyof typeof happenings, ...how: number[]) => frame(happenings[what], 0, 0, Buffer.from(how));

/** What a client may do in order, for mutations to spoil. */
const scenes: readonly (readonly Buffer[])[] = [
  [settings, settingsAck, request(1), request(3), request(7)],
  // Windows that close and open.
  [
    setting(4, 0),
    request(1),
    widen(1, 3),
    setting(4, 10_000),
    request(3),
    setting(4, 1),
    widen(0, 100_000),
    widen(3, 2),
  ],
  [
    settings,
    frame(1, 5, 1, requestBlock),
    happening('act', 0, 0),
    happening('act', 0, 17),
    setting(4, 10),
    happening('act', 0, 25),
  ],
  // Trailers, and blocks in pieces.
  [settings, frame(1, 4, 1, requestBlock), frame(1, 5, 1, Buffer.from('0001610162', 'hex'))],
  [
    settings,
    frame(1, 1, 1, requestBlock.subarray(0, 5)),
    frame(9, 0, 1, requestBlock.subarray(5, 9)),
    frame(9, 4, 1, requestBlock.subarray(9)),
  ],
  // Ends of every kind.
  [settings, settingsAck, request(1), happening('goAway'), frame(6, 1, 0, Buffer.from('leaving\0')), request(3)],
  [settings, request(1), frame(3, 0, 1, Buffer.of(0, 0, 0, 8)), frame(7, 0, 0, Buffer.alloc(8)), happening('peerEnds')],
  [
    settings,
    happening('stall'),
    request(1),
    request(3),
    happening('sameTurn'),
    request(5),
    happening('unstall'),
    happening('wait', 200),
  ],
];

/** Few of these: they take long. */
const floods: readonly (readonly Buffer[])[] = [
  [settings, frame(2, 0, 1, Buffer.of(0, 0, 0, 0, 1)), happening('repeat', 80, 0)],
  [settings, frame(1, 4, 1, requestBlock), frame(0, 0, 1, Buffer.alloc(7000)), happening('repeat', 0, 152)],
];

export const connectionTarget: Target = {
  name: 'connection',
  maxSize: 8000,
  seeds: [
    ...floods.map((flood) => Buffer.concat([Buffer.alloc(optionsLength), ...flood])),
    ...[0, 1, 2, 3].flatMap((limits) =>
      scenes.flatMap((scene, at) =>
        [0, 2, 5, 7].map((how) => {
          const options = Buffer.alloc(optionsLength, how | ((limits + at) << 3));
          options[0] = limits | ((at & 3) << 3);
          options[1] = how;
          return Buffer.concat([options, ...scene]);
        }),
      ),
    ),
  ],
  run(input) {
    const script = scriptOf(input);
    const whole = play(script, 0);
    feature(6, whole.events.size);
    if (script.cuts === 0) return;
    const cut = play(script, script.cuts);
    if (script.tickMs > 0 || !whole.isSteady || !cut.isSteady) return;
    if (!whole.output.equals(cut.output)) throw new Fault('the output depends on how the input is cut');
    if (JSON.stringify([...whole.events]) !== JSON.stringify([...cut.events])) {
      throw new Fault('what users are told depends on how the input is cut');
    }
  },
  mutate(input, dice, other) {
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(4)) options[dice.below(optionsLength)] = dice.below(256);
    if (dice.once(8)) options[1] = 0;
    const rest = input.subarray(optionsLength);
    if (dice.once(12)) return Buffer.concat([options, mutateBytes(rest, dice, other.subarray(optionsLength))]);
    return Buffer.concat([options, mutateFrames(rest, dice, other.subarray(optionsLength), anyHappening)]);
  },
};
