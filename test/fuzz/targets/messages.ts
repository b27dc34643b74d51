/**
 * The reader of gRPC messages: whole messages come out as they were sent, however their bytes are cut, and what is held
 * for a call is given back when the call is given up, be it in the middle of a chunk.
 *
 *     how it is cut (1) | limits (1) | after how many messages the call is given up (1) | what the client sends
 */
import { MessageReader, prefixLength } from '../../../src/rpc/native/message-reader.ts';
import type { Share } from '../../../src/rpc/native/share.ts';
import { lonelyShare } from '../../support/shares.ts';
import { inserted, mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { chunksOf } from './chunks.ts';

const optionsLength = 3;
const maxSizes = [100, 70_000, 0, 20_000] as const;
const heldSizes = [1_000_000, 50, 17_000, 0] as const;

const message = (size: number, flag = 0) =>
  Buffer.concat([
    Buffer.of(flag, size >>> 24, size >>> 16, size >>> 8, size),
    Buffer.alloc(Math.min(size, 40_000), 0x61),
  ]);

/** What calls send; some of it is cut off, too large, or malformed. */
const pieces: readonly [Buffer, ...Buffer[]] = [
  message(0),
  message(3),
  message(100, 1),
  message(101),
  message(5, 2),
  message(20_000),
  message(30_000, 1),
  message(2 ** 31),
  message(9).subarray(0, 7),
];

/** What the bytes of a call come to. */
interface Reading {
  readonly messages: readonly string[];
  readonly refusal: string | undefined;
}

export const messagesTarget: Target = {
  name: 'messages',
  maxSize: 80_000,
  seeds: [0, 1, 2, 3].flatMap((limits) =>
    pieces.map((piece, at) => Buffer.concat([Buffer.of(at * 20, limits, at), piece, message(4), piece])),
  ),
  run(input) {
    const [cuts = 0, limits = 0, most = 0] = input;
    const sent = input.subarray(optionsLength);
    const maxMessageBytes = maxSizes[limits & 3] ?? 0;
    const held = lonelyShare(heldSizes[(limits >> 2) & 3] ?? 0);
    const want = plainReading(sent, { maxMessageBytes, most });
    const got = reading(chunksOf(sent, cuts), { maxMessageBytes, most, held });
    feature(7, Math.min(got.messages.length, 10), got.refusal?.length ?? 0);
    if (got.refusal !== 'too much at once' && got.refusal !== want.refusal) throw new Fault('the refusal is another');
    if (got.refusal === want.refusal && got.messages.length !== want.messages.length)
      throw new Fault('messages are missing');
    if (got.messages.some((each, at) => each !== want.messages[at]))
      throw new Fault('a message is another than was sent');
    if (held.bytes !== 0) throw new Fault('what was held for a call is not given back');
  },
  mutate(input, dice, other) {
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(3)) options[dice.below(optionsLength)] = dice.below(256);
    const rest = input.subarray(optionsLength);
    const changed = dice.once(2)
      ? inserted(rest, dice.once(2) ? rest.length : dice.below(rest.length + 1), dice.pick(pieces))
      : mutateBytes(rest, dice, other.subarray(optionsLength));
    return Buffer.concat([options, changed]);
  },
};

/** Reads chunks as a call does: it gives up after a refusal, or when it has had as many messages as it takes. */
function reading(
  chunks: readonly Buffer[],
  { maxMessageBytes, most, held }: { maxMessageBytes: number; most: number; held: Share },
): Reading {
  const messages: string[] = [];
  let isOver = false;
  const reader = new MessageReader({
    maxMessageBytes,
    held,
    onMessage(bytes, isCompressed) {
      if (isOver) return;
      messages.push(`${isCompressed} ${bytes.toString('latin1')}`);
      if (messages.length <= most) return;
      isOver = true;
      reader.drop();
      reader.letGo();
    },
  });
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk);
    const refusal = reader.read(copy, 0, copy.length);
    copy.fill(0xa5);
    if (isOver) return { messages, refusal: undefined };
    if (refusal === undefined) continue;
    reader.drop();
    reader.letGo();
    return { messages, refusal: refusal.kind };
  }
  reader.drop();
  reader.letGo();
  return { messages, refusal: undefined };
}

/** The same from all bytes at once, in the plainest way. */
function plainReading(bytes: Buffer, { maxMessageBytes, most }: { maxMessageBytes: number; most: number }): Reading {
  const messages: string[] = [];
  for (let at = 0; at + prefixLength <= bytes.length && messages.length <= most; ) {
    const [flag, length] = [bytes[at] ?? 0, bytes.readUInt32BE(at + 1)];
    if (flag > 1) return { messages, refusal: 'malformed' };
    if (length > maxMessageBytes) return { messages, refusal: 'message too large' };
    const end = at + prefixLength + length;
    if (end > bytes.length) break;
    messages.push(`${flag === 1} ${bytes.toString('latin1', at + prefixLength, end)}`);
    at = end;
  }
  return { messages, refusal: undefined };
}
