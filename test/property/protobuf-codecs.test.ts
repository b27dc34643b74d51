/**
 * What a codec promises beside the values themselves: where it writes, and that it reads bytes which no writer of ours
 * would have made as protobufjs does, which goes by the same guide (https://protobuf.dev/programming-guides/encoding/).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/rpc/reply.ts';
import { failureOf } from '../support/failure-of.ts';
import { bytes, type Case, cases, type Plain, plain, toOwn } from '../support/message-play.ts';

const runs = { numRuns: 20 };

/** The fields of a message that is valid, each with its tag. */
function fieldsIn(message: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let start = 0, at = 0; start < message.length; start = at) {
    const varint = () => {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = message.readUInt8(at++);
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
      }
    };
    const isCounted = varint() % 8 === 2;
    const length = varint();
    if (isCounted) at += length;
    fields.push(message.subarray(start, at));
  }
  return fields;
}

function varint(value: number): Buffer {
  const written: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    written.push(rest >= 128 ? (rest % 128) | 0x80 : rest);
    if (rest < 128) return Buffer.from(written);
  }
}

/** Fields that no table has, of every wire type: a number, eight bytes, counted bytes, a group, four bytes. */
const unknownField = fc
  .tuple(fc.integer({ min: 100, max: 2 ** 29 - 1 }), fc.nat({ max: 4 }), bytes)
  .map(([number, kind, content]) => {
    const tag = (wireType: number) => varint(number * 8 + wireType);
    switch (kind) {
      case 0:
        return Buffer.concat([tag(0), varint(content.length * 2 ** 30)]);
      case 1:
        return Buffer.concat([tag(1), Buffer.alloc(8, 0x7f)]);
      case 2:
        return Buffer.concat([tag(2), varint(content.length), content]);
      case 3:
        return Buffer.concat([tag(3), Buffer.from('08021a0161', 'hex'), tag(4)]);
      default:
        return Buffer.concat([tag(5), Buffer.alloc(4, 0x7f)]);
    }
  });

/** A message whose fields stand in another order with others between them; `order` says where each goes. */
function shuffled(message: Buffer, others: readonly Buffer[], order: readonly number[]): Buffer {
  const fields = [...fieldsIn(message), ...others];
  const placed = fields.map((field, index) => ({ field, place: order[index % order.length] ?? 0 }));
  return Buffer.concat(placed.toSorted((a, b) => a.place - b.place).map(({ field }) => field));
}

/** Whether two values have a pair of the same key in the same map. */
function shareKey({ fields }: Case, one: Plain, two: Plain): boolean {
  return fields
    .filter(({ type }) => type === 'map')
    .some(({ name }) => Object.keys(one[name] ?? {}).some((key) => Object.hasOwn(two[name] ?? {}, key)));
}

const withoutOrder = (value: unknown) => JSON.stringify(value).split('').toSorted().join('');

describe.each(cases)('$name', (each) => {
  const { own, other, values, fields } = each;

  it('is written in exactly as many bytes as it says, wherever it is told to, and nowhere else', () => {
    fc.assert(
      fc.property(values, fc.nat({ max: 70 }), fc.constantFrom(0x00, 0xff, 0xa5), (value, before, filling) => {
        using reply = own.reply(toOwn(each, value));
        const target = Buffer.alloc(before + reply.size + 70, filling);
        reply.writeTo(target, before);
        const encoded = target.subarray(before, before + reply.size);
        expect(encoded.equals(own.encode(toOwn(each, value)))).toBe(true);
        const around = [target.subarray(0, before), target.subarray(before + reply.size)];
        expect(Buffer.concat(around).every((byte) => byte === filling)).toBe(true);
      }),
      runs,
    );
  });

  it('is written anew each time it is asked for, and its secret goes when it is disposed of', () => {
    fc.assert(
      fc.property(values, (value) => {
        let disposals = 0;
        const reply = own.reply(toOwn(each, value), { [Symbol.dispose]: () => void disposals++ });
        const first = Buffer.alloc(reply.size);
        reply.writeTo(first, 0);
        expect(disposals).toBe(0);
        expect(bytesOf(reply).equals(first)).toBe(true);
        expect(disposals).toBe(1);
      }),
      runs,
    );
  });

  it('is read the same with its fields in any order and unknown ones between them', () => {
    const order = fc.array(fc.nat(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.array(unknownField, { maxLength: 5 }), order, (value, unknown, places) => {
        const message = shuffled(other.encode(value), unknown, places);
        expect(plain(own.decode(message))).toEqual(plain(other.decode(message)));
        // Lists are in the order of their items; all else has none.
        expect(withoutOrder(plain(own.decode(message)))).toBe(withoutOrder(plain(value)));
      }),
      runs,
    );
  });

  it('takes the last of several values of a field, and gathers lists and maps', () => {
    fc.assert(
      fc.property(values, values, (one, two) => {
        const message = Buffer.concat([one, two].map((value) => other.encode(value)));
        if (shareKey(each, one, two)) expect(failureOf(() => own.decode(message)).reason).toBe('REQUEST_MALFORMED');
        else expect(plain(own.decode(message))).toEqual(plain(other.decode(message)));
      }),
      runs,
    );
  });

  it('is malformed where it is cut inside a field, and whole where it is cut between two', () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, at) => {
        const message = other.encode(value);
        const cut = message.subarray(0, at % (message.length + 1));
        let end = 0;
        const ends = new Set([0, ...fieldsIn(message).map((field) => (end += field.length))]);
        if (ends.has(cut.length)) own.decode(cut);
        else expect(failureOf(() => own.decode(cut)).reason).toBe('REQUEST_MALFORMED');
      }),
      runs,
    );
  });

  it('has no list of numbers, which could be packed', () => {
    const isPackable = (type: string) => !['string', 'bytes', 'message', 'map'].includes(type);
    expect(fields.filter(({ type, isRepeated }) => isRepeated && isPackable(type))).toEqual([]);
  });
});
