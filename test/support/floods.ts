/**
 * What a client may do to a server that costs it little and the server much, as data: the bytes, how they are sent, and
 * how the server has to end it. The bounds that they meet are in src/h2/limits.ts.
 */
import {
  encryptMessage,
  flag,
  frame,
  get,
  indexed,
  initialWindowSize,
  inserted,
  names,
  number32,
  post,
  settings,
  types,
} from './flood-frames.ts';

/** Frames as they are written at once. */
export interface Piece {
  readonly bytes: Buffer;
  readonly frames: number;
}

/** What becomes of the connections of a flood. */
export interface FloodEnd {
  /** They are cut with GOAWAY, ENHANCE_YOUR_CALM and one of these words; never, where there are none. */
  readonly words: readonly string[];
  /** Of GOAWAY; ENHANCE_YOUR_CALM where none is given. */
  readonly code?: number;
  /** How long the server waits with that, in seconds; undefined where a slow one may never come so far. */
  readonly afterSeconds?: number;
}

export interface Flood {
  readonly name: string;
  readonly connections: number;
  /** Window of each stream for the server's answers, in bytes; as large as can be where none is given. */
  readonly window?: number;
  /** What goes out first on each connection, after the greeting. */
  readonly opening: Buffer;
  /** What follows on each connection, counted from 0; undefined once there is nothing more to say. */
  readonly piece: (nth: number) => Piece | undefined;
  /** Between two pieces, in milliseconds; as fast as the socket takes them where none is given. */
  readonly everyMs?: number;
  readonly isReading: boolean;
  readonly end: FloodEnd;
  /** What the server may hold for each connection, in MiB, garbage aside. */
  readonly heldMiB: number;
}

const calls = { path: '/keyproxy.v1.KeyProxy/Encrypt', from: 3 } as const;

/** A call's fields: the first one fills the server's header table, the others are a byte each. */
const fieldsOf = (path: string) =>
  Buffer.concat([
    post,
    inserted(names.path, path),
    inserted(names.authority, 'localhost'),
    inserted(names.contentType, 'application/grpc'),
    inserted('te', 'trailers'),
    inserted('keyproxy-request', 'true'),
  ]);
const firstFields = fieldsOf(calls.path);
const nextFields = Buffer.concat([post, ...[66, 65, 64, 63, 62].map(indexed)]);
const headers = (stream: number, fields: Buffer, flags: number = flag.endHeaders) =>
  frame({ type: types.headers, flags, stream }, fields);
const data = (stream: number, bytes: Buffer, flags = 0) => frame({ type: types.data, flags, stream }, bytes);
const reset = (stream: number) => frame({ type: types.rstStream, stream }, number32(8));

const hoarded = encryptMessage(4_000);
const unread = encryptMessage(64_000);
const smallCall = encryptMessage(16);
/** Stream 1: a call that fills the header table, and is answered. */
const firstCall = Buffer.concat([headers(1, firstFields), data(1, smallCall, flag.endStream)]);
const call = (stream: number, message: Buffer) => [
  headers(stream, nextFields),
  ...chunksOf(message).map((bytes, at, all) => data(stream, bytes, at === all.length - 1 ? flag.endStream : 0)),
];

/** DATA frames of the largest size that every server takes. */
function chunksOf(message: Buffer): Buffer[] {
  const largest = 16_384;
  return Array.from({ length: Math.ceil(message.length / largest) }, (_, at) =>
    message.subarray(at * largest, (at + 1) * largest),
  );
}

function pieceOf(frames: readonly Buffer[]): Piece {
  return { bytes: Buffer.concat(frames), frames: frames.length };
}

/** The same frames again and again. */
function same(frames: readonly Buffer[]): () => Piece {
  const piece = pieceOf(frames);
  return () => piece;
}

function repeated(count: number, one: Buffer): Buffer[] {
  return Array.from({ length: count }, () => one);
}

/** Pieces of `count` streams each, all of which are new. They are made once: every connection begins with the first. */
function newStreams(count: number, framesOf: (stream: number) => readonly Buffer[]): (nth: number) => Piece {
  const made: Piece[] = [];
  return (nth) => {
    for (let at = made.length; at <= nth; at++) {
      const first = calls.from + 2 * count * at;
      made.push(pieceOf(Array.from({ length: count }, (_, index) => framesOf(first + 2 * index)).flat()));
    }
    return made[nth] ?? { bytes: Buffer.alloc(0), frames: 0 };
  };
}

/** A message that has begun, and of which one byte is there. */
const begun = Buffer.concat([Buffer.of(0), number32(1_000_000), Buffer.of(0)]);
/** Streams that are opened and left alone. */
const [waiting, drip] = [4_000, 50];
const openStreams = (count: number, framesOf: (stream: number) => readonly Buffer[]) =>
  Buffer.concat([firstCall, ...Array.from({ length: count }, (_, at) => framesOf(calls.from + 2 * at)).flat()]);
const bombField = inserted('bomb', 'x'.repeat(3_900));
const resets = 'too many streams were reset';
const cut = (...words: string[]): FloodEnd => ({ words, afterSeconds: 0 });
/** Of streams that are refused, whichever frame of theirs is the one too many. */
const refused = cut('too many mistakes', 'too many frames for streams that were reset');
/** What is no ciphertext of the other tenant's: the neighbour's budget is its own. */
const garbage = encryptMessage(64, 'demo-2');
/** What most floods have in common. */
const usual = { connections: 4, isReading: true, heldMiB: 8 } as const;

/** The SETTINGS that a client may send between two answers. */
const turns = Array.from({ length: 90 }, (_, at) => settings([[initialWindowSize, 1 + (at % 2)]]));

export const floods: readonly Flood[] = [
  {
    name: 'rapid reset',
    ...usual,
    opening: firstCall,
    piece: newStreams(2_000, (stream) => [headers(stream, nextFields), reset(stream)]),
    end: cut(resets),
  },
  {
    name: 'rapid reset, whole calls',
    ...usual,
    opening: firstCall,
    piece: newStreams(1_000, (stream) => [...call(stream, smallCall), reset(stream)]),
    // Each of them costs so much that the allowance of a second may be as much as the machine can do.
    end: { words: [resets] },
  },
  {
    name: 'ping',
    ...usual,
    opening: Buffer.alloc(0),
    piece: same(repeated(4_000, frame({ type: types.ping }, Buffer.alloc(8)))),
    end: cut('too_many_pings'),
  },
  {
    name: 'settings',
    ...usual,
    opening: Buffer.alloc(0),
    piece: same(repeated(4_000, settings([]))),
    end: cut('too many SETTINGS frames'),
  },
  {
    name: 'settings, thousands of streams open',
    ...{ ...usual, heldMiB: 32 },
    opening: openStreams(waiting, (stream) => [headers(stream, nextFields)]),
    // A request that is answered at once, so that the server takes the next SETTINGS too.
    piece: (nth) =>
      pieceOf([...turns, headers(calls.from + 2 * (waiting + nth), get, flag.endHeaders | flag.endStream)]),
    end: cut('too many SETTINGS frames'),
  },
  {
    name: 'continuation',
    ...usual,
    opening: headers(1, post, 0),
    piece: same(repeated(4_000, frame({ type: types.continuation, stream: 1 }, Buffer.of(0x83)))),
    end: cut('a block of fields is too long'),
  },
  {
    name: 'empty data',
    ...usual,
    opening: Buffer.concat([firstCall, headers(3, nextFields)]),
    piece: same(repeated(8_000, data(3, Buffer.alloc(0)))),
    end: cut('too many empty frames'),
  },
  {
    name: 'tiny windows',
    ...{ ...usual, window: 1 },
    opening: openStreams(drip, (stream) => call(stream, encryptMessage(8_000))),
    piece: same(
      Array.from({ length: 5_000 }, (_, at) =>
        frame({ type: types.windowUpdate, stream: calls.from + 2 * (at % drip) }, number32(1)),
      ),
    ),
    end: cut('too many WINDOW_UPDATE frames'),
  },
  {
    name: 'hoarded answers',
    ...{ ...usual, heldMiB: 48, window: 0 },
    opening: firstCall,
    piece: newStreams(64, (stream) => call(stream, hoarded)),
    end: refused,
  },
  {
    name: 'slow headers',
    ...{ ...usual, connections: 200, heldMiB: 0.1 },
    opening: headers(1, post, 0),
    piece: (nth) => (nth < 14 ? pieceOf([frame({ type: types.continuation, stream: 1 }, Buffer.of(0x83))]) : undefined),
    everyMs: 900,
    end: { words: ['a block of fields has not ended in time'], afterSeconds: 10 },
  },
  {
    name: 'slow reader',
    ...{ ...usual, isReading: false, heldMiB: 48 },
    opening: firstCall,
    piece: newStreams(16, (stream) => call(stream, unread)),
    end: { words: [] },
  },
  {
    name: 'header bomb',
    ...usual,
    opening: Buffer.concat([firstCall, headers(3, Buffer.concat([nextFields, bombField]))]),
    piece: newStreams(16, (stream) => [
      headers(stream + 2, Buffer.alloc(16_000, indexed(62)), flag.endHeaders | flag.endStream),
    ]),
    end: cut('too many fields that are too large'),
  },
  {
    name: 'stream exhaustion',
    ...{ ...usual, heldMiB: 32 },
    opening: firstCall,
    piece: newStreams(2_000, (stream) => [headers(stream, nextFields), data(stream, begun)]),
    end: refused,
  },
  {
    name: 'decryptions that fail',
    // Some thousand calls are under way at a time, each with its error.
    ...{ ...usual, heldMiB: 64 },
    opening: Buffer.concat([headers(1, fieldsOf('/keyproxy.v1.KeyProxy/Decrypt')), data(1, garbage, flag.endStream)]),
    piece: newStreams(64, (stream) => call(stream, garbage)),
    end: { words: [] },
  },
  {
    name: 'more connections than there may be',
    ...{ ...usual, connections: 1_100, heldMiB: 0.1 },
    opening: Buffer.alloc(0),
    piece: () => undefined,
    // Each new one takes the place of the one that has been silent for the longest time.
    end: { words: [''], code: 0 },
  },
];

/** The flood of this name. Throws where there is none. */
export function floodOf(name: string): Flood {
  const flood = floods.find((each) => each.name === name);
  if (flood === undefined) throw new Error(`there is no flood ${name}`);
  return flood;
}
