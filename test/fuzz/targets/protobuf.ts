/**
 * The protobuf reader, for every message that there is a table for: it throws nothing but `REQUEST_MALFORMED` with a
 * sentence of its own, what it read comes out again after it was written, in no more bytes, and it reads what protobufjs
 * does, wherever the two are meant to agree.
 *
 *     which message (1) | bytes
 */
import fc from 'fast-check';
import { errorTable, KeyproxyError } from '../../../src/base/errors.ts';
import { wireTypes } from '../../../src/rpc/protobuf/wire.ts';
import { cases, plain, toOwn } from '../../support/message-play.ts';
import type { FieldFacts } from '../../unit/rpc/proto-files.ts';
import { inserted, mutateBytes } from '../engine/bytes.ts';
import type { Dice } from '../engine/dice.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';

/** Tags, lengths and numbers at which something changes, and pieces of messages. */
const pieces: readonly [Buffer, ...Buffer[]] = [
  Buffer.of(0x0b, 0x0c),
  ...[1, 2, 3, 4, 5, 6].flatMap((field) => [0, 1, 2, 5].map((type) => Buffer.of((field << 3) | type, 2, 0x61, 0x62))),
  Buffer.of(0x0b, 0x13, 0x14, 0x0c),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
  Buffer.of(0x80, 0x80, 0x80, 0x80, 0x00),
  Buffer.of(0x12, 0x08, 0x0a, 0x01, 0x6b, 0x12, 0x03, 0xc3, 0xa9, 0x21),
];

export const protobufTarget: Target = {
  name: 'protobuf',
  maxSize: 2048,
  seeds: cases.flatMap((each, at) =>
    fc
      .sample(each.values, { seed: 7, numRuns: 3 })
      .map((value) => Buffer.concat([Buffer.of(at), each.own.encode(toOwn(each, value))])),
  ),
  run(input) {
    const each = cases[(input[0] ?? 0) % cases.length];
    if (each === undefined) return;
    const bytes = input.subarray(1);
    const value = decoded(each.own, bytes);
    feature(30, (input[0] ?? 0) % cases.length, value === undefined ? 0 : 1);
    if (value === undefined) return;
    const written = each.own.encode(value);
    if (written.length > bytes.length) throw new Fault('what was read takes more bytes than it came in');
    const again = decoded(each.own, written);
    if (again === undefined) throw new Fault('what was written is not read');
    if (!same(again, value)) throw new Fault('what was written is read otherwise');
    if (!each.own.encode(again).equals(written)) throw new Fault('the same is written otherwise the second time');
    if (isAlikeFor(bytes, each.fields)) compare(value, () => each.other.decode(bytes));
  },
  mutate(input, dice, other) {
    const which = dice.once(20) ? dice.below(cases.length) : (input[0] ?? 0);
    const bytes = input.subarray(1);
    if (dice.once(6)) return Buffer.concat([Buffer.of(which), bytes, anyField(bytes, dice)]);
    const mutant = dice.once(2)
      ? inserted(bytes, dice.below(bytes.length + 1), dice.pick(pieces))
      : mutateBytes(bytes, dice, other.subarray(1));
    return Buffer.concat([Buffer.of(which), mutant]);
  },
};

function decoded(own: (typeof cases)[number]['own'], bytes: Buffer) {
  try {
    return own.decode(bytes);
  } catch (error) {
    if (!(error instanceof KeyproxyError) || error.reason !== 'REQUEST_MALFORMED') throw error;
    const { message } = errorTable.REQUEST_MALFORMED;
    const tells = error.message.slice(message.length);
    if (!error.message.startsWith(message) || !/^: [a-zA-Z0-9 -]{1,60}$/.test(tells))
      throw new Fault('a failure repeats what it read');
    return undefined;
  }
}

function compare(value: object, other: () => object): void {
  let want: object;
  try {
    want = other();
  } catch (cause) {
    throw new Fault('something is read that protobufjs refuses', { cause });
  }
  if (!same(want, value)) throw new Fault('protobufjs reads something else');
}

function same(one: object, other: object): boolean {
  return JSON.stringify(sorted(plain(one))) === JSON.stringify(sorted(plain(other)));
}

/** Names in their order, without what is only there by default. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const rows = Object.entries(value).filter(
    ([, each]) => each !== '' && each !== 0 && each !== false && !isNothing(each),
  );
  return Object.fromEntries(rows.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => [name, sorted(each)]));
}

function isNothing(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/**
 * Whether both readers mean to read the same. Not where a field comes twice: protobufjs merges messages and knows choices,
 * here the last one counts or the verb refuses. Not where a field has another wire type than its own: protobufjs reads it
 * all the same, here it is unknown. Not for numbers of more than four bytes, and not where a map names the prototype.
 */
function isAlikeFor(bytes: Buffer, fields: readonly FieldFacts[]): boolean {
  const seen = new Set<number>();
  const keys = new Set<string>();
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    const field = fields.find((each) => each.number === tag.value >> 3);
    if (field === undefined || seen.has(field.number)) return false;
    if (!field.isRepeated && field.type !== 'map') seen.add(field.number);
    const hasLength = ['string', 'bytes', 'message', 'map'].includes(field.type);
    if ((tag.value & 7) !== (hasLength ? wireTypes.length : wireTypes.varint)) return false;
    const { value, end } = varint(bytes, tag.end);
    if (end - tag.end > 4) return false;
    at = hasLength ? end + value : end;
    const inside = field.type === 'map' ? entryFields : field.fields;
    const isNested = field.type === 'map' || field.type === 'message';
    if (isNested && !isAlikeFor(bytes.subarray(end, at), inside)) return false;
    if (field.type !== 'map') continue;
    const key = `${field.number} ${keyOf(bytes.subarray(end, at))}`;
    if (keys.has(key)) throw new Fault('a map is read that has the same key twice');
    keys.add(key);
  }
  return !bytes.includes('__proto__');
}

/** One of the fields with a length that a message has, whole. */
function anyField(bytes: Buffer, dice: Dice): Buffer {
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    const { value, end } = varint(bytes, tag.end);
    const next = (tag.value & 7) === wireTypes.length ? end + value : end;
    if (next > end) fields.push(bytes.subarray(at, next));
    at = next;
  }
  return fields[dice.below(fields.length)] ?? Buffer.alloc(0);
}

/** The key of a map's entry, which has its two fields once at most. */
function keyOf(entry: Buffer): string {
  for (let at = 0; at < entry.length; ) {
    const tag = varint(entry, at);
    const { value, end } = varint(entry, tag.end);
    if (tag.value >> 3 === 1) return entry.toString('utf8', end, end + value);
    at = end + value;
  }
  return '';
}

function varint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  for (let end = start; ; end++) {
    const byte = bytes[end] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * (end - start));
    if (byte < 0x80) return { value, end: end + 1 };
  }
}

const entryFields: readonly FieldFacts[] = [1, 2].map((number) => ({
  ...{ name: '', type: 'string', isRepeated: false, fields: [] },
  number,
}));
