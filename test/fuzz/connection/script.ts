/**
 * What one execution does, from its input:
 *
 *     options (4) | what the users of eight streams do (8) | frames ...
 *
 * Frames are what the client sends, but for those of a type from 0xe0 on: they are no frames but things that happen.
 */
import { defaultLimits, type Limits } from '../../../src/h2/limits.ts';
import type { Dice } from '../engine/dice.ts';
import { frame, framesOf } from '../targets/frames.ts';

export const optionsLength = 12;

/** Things that happen, by the type of the frame that stands for them. */
export const happenings = {
  /** Time passes (payload: 100 milliseconds each), and the connection looks at it. */
  wait: 0xe0,
  /** The user of a stream does something (payload: which stream, what). */
  act: 0xe1,
  goAway: 0xe2,
  stall: 0xe3,
  unstall: 0xe4,
  peerEnds: 0xe5,
  breaks: 0xe6,
  /** What was sent arrives, and the turn ends. */
  turn: 0xe7,
  /** The turn goes on after what comes before the next happening. */
  sameTurn: 0xe8,
  /** The frame before comes many times more (payload: how often). */
  repeat: 0xe9,
} as const;

export type Step =
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: keyof typeof happenings; readonly first: number; readonly second: number };

export interface Script {
  readonly limits: Limits;
  readonly hasPreface: boolean;
  /** How what is sent is cut; 0 for not at all. */
  readonly cuts: number;
  /** How it ends: the peer ends, the network breaks, or nothing comes any more. */
  readonly ending: number;
  /** How far time goes on with every look at the clock, in milliseconds. */
  readonly tickMs: number;
  readonly users: Buffer;
  readonly steps: readonly Step[];
}

const limits: readonly Limits[] = [
  defaultLimits,
  {
    ...defaultLimits,
    maxStreams: 3,
    maxHeaderListBytes: 300,
    maxHeaderBlockBytes: 600,
    maxHeaderFrames: 4,
    streamWindow: 1000,
    maxOutput: 2000,
  },
  { ...defaultLimits, maxStreams: 1, headerTableBytes: 64, maxOutput: 20_000 },
  { ...defaultLimits, streamWindow: 20_000, headerTableBytes: 0, maxHeaderListBytes: 120 },
];

const ticks = [0, 0.1, 3, 0] as const;

/** The most bytes, and frames, that repeating may come to. */
const [mostBytes, mostFrames] = [1_200_000, 25_000];

export function scriptOf(input: Buffer): Script {
  const options = Buffer.alloc(optionsLength);
  input.copy(options);
  return {
    limits: limits[(options[0] ?? 0) & 3] ?? defaultLimits,
    hasPreface: ((options[0] ?? 0) & 4) === 0,
    ending: ((options[0] ?? 0) >> 3) & 3,
    cuts: options[1] ?? 0,
    tickMs: ticks[(options[2] ?? 0) & 3] ?? 0,
    users: options.subarray(4),
    steps: stepsOf(input.subarray(optionsLength)),
  };
}

function stepsOf(bytes: Buffer): Step[] {
  const steps: Step[] = [];
  let wire: Buffer[] = [];
  let [moreBytes, moreFrames] = [0, 0];
  const send = () => {
    if (wire.length > 0) steps.push({ kind: 'send', bytes: Buffer.concat(wire) });
    wire = [];
  };
  for (const each of framesOf(bytes)) {
    const kind = each.length < 9 ? undefined : kindOf(each[3] ?? 0);
    const [first, second] = [each[9] ?? 0, each[10] ?? 0];
    if (kind === undefined) wire.push(each);
    else if (kind === 'repeat') {
      const last = wire.at(-1);
      const count = first * 256 + second;
      moreBytes += (last?.length ?? 0) * count;
      moreFrames += count;
      if (last === undefined || moreBytes > mostBytes || moreFrames > mostFrames) continue;
      wire.push(Buffer.concat(new Array<Buffer>(count).fill(last)));
    } else {
      send();
      steps.push({ kind, first, second });
    }
  }
  send();
  return steps;
}

function kindOf(type: number): keyof typeof happenings | undefined {
  return names[type - happenings.wait];
}

const names = Object.keys(happenings) as (keyof typeof happenings)[];

/** Anything that may happen. */
export function anyHappening(dice: Dice): Buffer {
  const kind = happenings[names[dice.once(2) ? 1 : dice.below(names.length)] ?? 'turn'];
  if (kind === happenings.repeat && !dice.once(60)) return frame(kind, 0, 0, Buffer.of(0, dice.small(256)));
  return frame(kind, 0, 0, Buffer.of(dice.small(256), dice.below(256)));
}
