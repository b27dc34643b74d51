/** DER, value by value: what is read, and what is refused although a reader of BER would take it. */
import { describe, expect, test } from 'vitest';
import { bitsOf, DerError, DerReader, tags } from '../../../src/identity/svid-der.ts';
import { value } from '../../support/svid-der.ts';

function reader(...bytes: number[]): DerReader {
  return new DerReader(Buffer.from(bytes));
}

test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('a value of %i bytes is read', (length) => {
  const contents = Buffer.alloc(length, 7);
  const all = new DerReader(Buffer.concat([value(0x04, contents), value(0x04)]));
  expect(all.take(tags.octetString).equals(contents)).toBe(true);
  expect(all.isAtEnd).toBe(false);
  expect(all.take(tags.octetString)).toHaveLength(0);
  all.end();
});

describe('refused is', () => {
  test.each([
    ['nothing', [], 'in the middle'],
    ['a tag alone', [0x04], 'in the middle'],
    ['a length that is cut', [0x04, 0x82, 0x01], 'in the middle'],
    ['a value past the end', [0x04, 0x02, 0x00], 'after its bytes'],
    ['a length of no fixed end', [0x04, 0x80, 0x00, 0x00], 'as short as it can be'],
    ['a long form of a short length', [0x04, 0x81, 0x01, 0x00], 'as short as it can be'],
    ['a length with a zero before it', [0x04, 0x82, 0x00, 0x80], 'as short as it can be'],
    ['a length of four bytes', [0x04, 0x84, 0x01, 0x00, 0x00, 0x00], 'one to three'],
    ['a tag of several bytes', [0x9f, 0x20, 0x00], 'several bytes'],
  ])('%s', (_what, bytes, why) => {
    expect(() => reader(...bytes).any()).toThrow(why);
    expect(() => reader(...bytes).any()).toThrow(DerError);
  });

  test('another tag, and what is left', () => {
    expect(() => reader(0x04, 0x00).take(tags.sequence)).toThrow(DerError);
    expect(() => reader(0x04, 0x00).end()).toThrow(DerError);
    expect(reader(0x04, 0x00).takeOptional(tags.sequence)).toBeUndefined();
  });
});

test('a truth value is 00, FF or its default', () => {
  expect(reader(0x01, 0x01, 0xff).takeBoolean(false)).toBe(true);
  expect(reader(0x01, 0x01, 0x00).takeBoolean(true)).toBe(false);
  expect(reader().takeBoolean(true)).toBe(true);
  expect(() => reader(0x01, 0x01, 0x01).takeBoolean(false)).toThrow(DerError);
  expect(() => reader(0x01, 0x02, 0xff, 0xff).takeBoolean(false)).toThrow(DerError);
});

test('bits are counted from the highest of the first byte', () => {
  const has = bitsOf(Buffer.of(6, 0x04, 0x40));
  expect([...Array(20).keys()].filter(has)).toEqual([5, 9]);
  expect(bitsOf(Buffer.of(0))(0)).toBe(false);
  for (const bytes of [[], [1], [8, 0x00], [7, 0xc0]]) expect(() => bitsOf(Buffer.from(bytes))).toThrow(DerError);
});
