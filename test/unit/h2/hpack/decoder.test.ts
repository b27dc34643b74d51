import { describe, expect, it } from 'vitest';
import { CompressionError, HeaderDecoder } from '../../../../src/h2/hpack/decoder.ts';
import { hex, indexed, list, literal, tableOf } from './blocks.ts';

const limits = { maxTableSize: 4096, maxListSize: 16_384 };
const inserted = 0x40;
const plain = 0x00;
const neverIndexed = 0x10;

describe('a block that is no HPACK', () => {
  const literalName = '400161';
  it.each([
    ['an index of 0', '80', 'an index is of no field'],
    ['an index beyond the static table while the other is empty', 'be', 'an index is of no field'],
    ["a literal's name beyond both tables", '7e0161', 'an index is of no field'],
    ['an index whose number has no end', 'ff', 'an index is cut off or too long'],
    ['an index that is longer than any number', 'ffffffffffffff01', 'an index is cut off or too long'],
    ['an index above the largest number', 'ff82ffffff01', 'an index is cut off or too long'],
    ["a literal's name index whose number has no end", '0f', 'an index is cut off or too long'],
    ['a literal that ends before its name', '40', 'a name is cut off or its code is not valid'],
    ['a name that is cut off', '400561', 'a name is cut off or its code is not valid'],
    ['a name with bad padding', '4081ff0161', 'a name is cut off or its code is not valid'],
    ['a literal that ends before its value', literalName, 'a value is cut off or its code is not valid'],
    ['a value that is cut off', `${literalName}0561`, 'a value is cut off or its code is not valid'],
    ['a value whose length has no end', `${literalName}7f80`, 'a value is cut off or its code is not valid'],
    ['a value that claims gigabytes', `${literalName}7f81ffff7f`, 'a value is cut off or its code is not valid'],
    ['eight bits of padding', `${literalName}8207ff`, 'a value is cut off or its code is not valid'],
    ['padding with a zero', `${literalName}8106`, 'a value is cut off or its code is not valid'],
    ['the end of string', `${literalName}84fffffffc`, 'a value is cut off or its code is not valid'],
    ['a table size above the limit', '3fe21f', 'a table size is above the limit'],
    ['a table size whose number has no end', '3f', 'a table size is cut off or too long'],
    ['a table size after a field', '8220', 'the table size is updated after a field'],
    ['three table sizes', '202020', 'the table size is updated more than twice'],
  ])('with %s throws', (_, block, why) => {
    const decoder = new HeaderDecoder(limits);
    const decode = () => decoder.decode(hex(block));
    expect(decode).toThrow(CompressionError);
    expect(decode).toThrow(`reading a header block: ${why}`);
  });

  it('throws also where its fields are no longer kept', () => {
    for (const bad of ['be', '000561', '00016105', '0001618107ff', '00810661', '04', '20', '7e0161', '0f2f']) {
      const decoder = new HeaderDecoder({ ...limits, maxListSize: 0 });
      expect(() => decoder.decode(hex(`82${bad}`))).toThrow(CompressionError);
    }
  });

  it('says nothing of what was in it', () => {
    const decoder = new HeaderDecoder(limits);
    const block = Buffer.concat([literal(plain, { name: 'authorization', value: 'hunter2' }), hex('80')]);
    expect(() => decoder.decode(block)).toThrow(/^reading a header block: an index is of no field$/);
  });
});

describe('a block', () => {
  it('may be empty', () => {
    expect(new HeaderDecoder(limits).decode(Buffer.alloc(0))).toEqual({ fields: [], size: 0, isTooLarge: false });
  });

  it('may have empty names and values, and bytes of any kind', () => {
    const fields = [
      { name: '', value: '' },
      { name: '\0\xff', value: '\n\x80' },
    ];
    const block = Buffer.concat(fields.map((field) => literal(neverIndexed, field)));
    expect(new HeaderDecoder(limits).decode(block)).toEqual({ fields, size: 68, isTooLarge: false });
  });

  it('is copied: what later becomes of its bytes changes no field', () => {
    const decoder = new HeaderDecoder(limits);
    const block = literal(inserted, { name: 'a', value: 'b'.repeat(300) });
    const { fields } = decoder.decode(block);
    block.fill(0);
    expect(fields).toEqual([{ name: 'a', value: 'b'.repeat(300) }]);
    expect(tableOf(decoder)).toEqual(fields);
  });

  it('may have Huffman strings longer than the memory that is kept for them', () => {
    const coded = Buffer.alloc(5 * 2000);
    const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 100_000 });
    const { fields } = decoder.decode(Buffer.concat([hex('000161ff914d'), coded]));
    expect(fields).toEqual([{ name: 'a', value: '0'.repeat(16_000) }]);
  });
});

describe('the dynamic table of a decoder', () => {
  it('takes a smaller and a larger size at the start of a block', () => {
    const decoder = new HeaderDecoder(limits);
    decoder.decode(literal(inserted, { name: 'a', value: '1' }));
    expect(tableOf(decoder)).toEqual(list('a: 1'));
    expect(decoder.decode(hex('203fe11f 82')).fields).toEqual(list(':method: GET'));
    expect(tableOf(decoder)).toEqual([]);
    decoder.decode(literal(inserted, { name: 'b', value: '2' }));
    expect(tableOf(decoder)).toEqual(list('b: 2'));
  });

  it('starts with 4,096 bytes where more is allowed, until the peer says so', () => {
    const field = { name: 'a', value: 'b'.repeat(4070) };
    const decoder = new HeaderDecoder({ maxTableSize: 8192, maxListSize: 16_384 });
    decoder.decode(literal(inserted, field));
    expect(tableOf(decoder)).toEqual([]);
    decoder.decode(Buffer.concat([hex('3fe13f'), literal(inserted, field)]));
    expect(tableOf(decoder)).toEqual([field]);
  });

  it('is emptied by a field that is larger than it, which the list has all the same', () => {
    const decoder = new HeaderDecoder(limits);
    decoder.decode(literal(inserted, { name: 'a', value: '1' }));
    const field = { name: 'b', value: 'x'.repeat(4096) };
    expect(decoder.decode(literal(inserted, field)).fields).toEqual([field]);
    expect(tableOf(decoder)).toEqual([]);
  });

  it('gives the name of a field that the same literal pushes out', () => {
    const decoder = new HeaderDecoder({ ...limits, maxTableSize: 40 });
    decoder.decode(literal(inserted, { name: 'name', value: '1' }));
    expect(decoder.decode(hex('7e0132')).fields).toEqual(list('name: 2'));
    expect(tableOf(decoder)).toEqual(list('name: 2'));
  });

  it('holds as many fields as its size allows', () => {
    const decoder = new HeaderDecoder(limits);
    const blocks = Array.from({ length: 200 }, (_, i) => literal(inserted, { name: 'a', value: `${100 + i}` }));
    decoder.decode(Buffer.concat(blocks));
    const values = tableOf(decoder).map(({ value }) => value);
    expect(values).toEqual(Array.from({ length: Math.floor(4096 / 36) }, (_, i) => `${299 - i}`));
  });
});

describe('a list above its limit', () => {
  it('keeps the fields in front, counts the others and keeps the table in step', () => {
    const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 100 });
    const block = Buffer.concat([
      literal(inserted, { name: 'a', value: '1' }),
      literal(inserted, { name: 'b', value: 'x'.repeat(60) }),
      literal(plain, { name: 'c', value: '3' }),
      hex('58 0133'),
      hex('0f2b 0134'),
      literal(inserted, { name: 'd', value: '4' }),
    ]);
    const { fields, size, isTooLarge } = decoder.decode(block);
    expect({ fields, isTooLarge }).toEqual({ fields: list('a: 1'), isTooLarge: true });
    expect(size).toBe(34 + 93 + 34 + (32 + 13 + 1) + (32 + 10 + 1) + 34);
    expect(tableOf(decoder).map(({ name }) => name)).toEqual(['d', 'cache-control', 'b', 'a']);
  });

  it('is measured as RFC 9113 has it: a list of just the limit is whole', () => {
    const block = hex('82 86');
    const size = ':methodGET'.length + ':schemehttp'.length + 64;
    const decode = (maxListSize: number) => new HeaderDecoder({ maxTableSize: 4096, maxListSize }).decode(block);
    expect(decode(size)).toEqual({ fields: list(':method: GET', ':scheme: http'), size, isTooLarge: false });
    expect(decode(size - 1)).toEqual({ fields: list(':method: GET'), size, isTooLarge: true });
  });

  it('costs little where a megabyte of indices names one large field', () => {
    const decoder = new HeaderDecoder(limits);
    decoder.decode(literal(inserted, { name: 'a', value: 'b'.repeat(4000) }));
    const start = process.cpuUsage();
    const before = process.memoryUsage().heapUsed;
    const { fields, size, isTooLarge } = decoder.decode(Buffer.alloc(1_000_000, indexed(62)));
    expect({ kept: fields.length, size, isTooLarge }).toEqual({ kept: 4, size: 4_033_000_000, isTooLarge: true });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000);
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000);
  });
});
