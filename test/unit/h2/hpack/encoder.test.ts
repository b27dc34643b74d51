import { describe, expect, it } from 'vitest';
import { HeaderDecoder } from '../../../../src/h2/hpack/decoder.ts';
import { HeaderEncoder } from '../../../../src/h2/hpack/encoder.ts';
import type { HeaderList } from '../../../../src/h2/hpack/field.ts';
import { hex, list, tableOf } from './blocks.ts';

/** An encoder, and a decoder that reads all it writes. */
function pair(maxTableSize = 4096) {
  const encoder = new HeaderEncoder({ maxTableSize });
  const decoder = new HeaderDecoder({ maxTableSize: 65_536, maxListSize: 1_000_000 });
  const write = (fields: HeaderList): string => {
    const block = encoder.encode(fields);
    expect(decoder.decode(block).fields).toEqual(fields);
    return block.toString('hex');
  };
  return { encoder, decoder, write };
}

describe('the encoder', () => {
  it.each([
    [':status: 200', '88'],
    [':method: POST', '83'],
    [':path: /', '84'],
    ['accept-encoding: gzip, deflate', '90'],
  ])('writes %s, which is in the static table, as its index', (field, block) => {
    expect(pair().write(list(field))).toBe(block);
  });

  it('writes a field it meets first as a literal, then puts it into the table, then names it by its index', () => {
    const { write, decoder } = pair();
    const fields = () => list('content-type: application/grpc');
    expect(write(fields())).toBe('0f108b1d75d0620d263d4c4d6564');
    expect(tableOf(decoder)).toEqual([]);
    expect(write(fields())).toBe('5f8b1d75d0620d263d4c4d6564');
    expect(tableOf(decoder)).toEqual(fields());
    expect(write(fields())).toBe('be');
  });

  it('names the name of a field by an index where one is in either table', () => {
    const { write } = pair();
    for (let i = 0; i < 2; i++) write(list('x-name: 1'));
    expect(write(list('x-name: 2'))).toBe('0f2f0132');
    expect(write(list(':status: 418'))).toMatch(/^08/);
  });

  it('leaves the table to what repeats: a thousand values that come once push nothing out', () => {
    const { write, decoder } = pair();
    for (let i = 0; i < 2; i++) write(list('x-same: same'));
    for (let i = 0; i < 1000; i++) write(list(`x-other: ${i}`));
    expect(tableOf(decoder)).toEqual(list('x-same: same'));
    expect(write(list('x-same: same'))).toBe('be');
  });

  it('forgets what it met long ago', () => {
    const { write, decoder } = pair();
    write(list('x-same: same'));
    for (let i = 0; i < 64; i++) write(list(`x-other: ${i}`));
    write(list('x-same: same'));
    expect(tableOf(decoder)).toEqual([]);
  });

  it('puts many fields of one list into the table, whatever they are', () => {
    const { write } = pair();
    const fields = () => Array.from({ length: 40 }, (_, i) => ({ name: `x-${i}`, value: `value ${i * 7}` }));
    for (let i = 0; i < 2; i++) write(fields());
    expect(write(fields())).toHaveLength(2 * 40);
  });

  it.each(['authorization', 'cookie', 'set-cookie', 'proxy-authorization'])('never lets %s be indexed', (name) => {
    const { write, decoder } = pair();
    for (const value of ['', 'secret', 'secret', 'secret']) {
      expect(Number.parseInt(write([{ name, value }]).slice(0, 2), 16) & 0xf0).toBe(0x10);
    }
    expect(tableOf(decoder)).toEqual([]);
  });

  it('keeps a field out of the table that would take more than a quarter of it', () => {
    const { write, decoder } = pair();
    const fits = { name: 'a', value: 'v'.repeat(1024 - 33) };
    const isLarge = { name: 'b', value: 'v'.repeat(1024 - 32) };
    for (let i = 0; i < 3; i++) write([fits, isLarge]);
    expect(tableOf(decoder)).toEqual([fits]);
  });

  it('goes on after evictions', () => {
    const { write, decoder } = pair(200);
    for (let i = 0; i < 50; i++) {
      for (let j = 0; j < 3; j++) write([{ name: `x-${i % 7}`, value: `${i}` }]);
    }
    expect(tableOf(decoder)).toHaveLength(5);
  });

  it('writes a string as it is where the Huffman code is no shorter', () => {
    expect(pair().write([{ name: '\x00\x01', value: '\xff' }])).toBe('0002000101ff');
    expect(pair().write([{ name: 'aa', value: '' }])).toBe('0002616100');
  });

  it('writes an empty list as no bytes', () => {
    expect(pair().write([])).toBe('');
  });
});

describe('the table size of an encoder', () => {
  it('is not mentioned while it is what both sides start with', () => {
    const { encoder, write } = pair();
    encoder.setMaxTableSize(4096);
    encoder.setMaxTableSize(65_536);
    expect(write(list(':status: 200'))).toBe('88');
  });

  it('is told at the start of the first block where this side wants less', () => {
    const { write } = pair(1024);
    expect(write(list(':status: 200'))).toBe('3fe10788');
    expect(write(list(':status: 200'))).toBe('88');
  });

  it.each([
    ['smaller', 100, '3f4588'],
    ['none', 0, '2088'],
  ])('follows the peer: %s', (_, size, block) => {
    const { encoder, write } = pair();
    encoder.setMaxTableSize(size);
    expect(write(list(':status: 200'))).toBe(block);
    expect(write(list(':status: 200'))).toBe('88');
  });

  it('grows with the peer up to what this side wants', () => {
    const { encoder, write } = pair(8192);
    encoder.setMaxTableSize(65_536);
    expect(write(list(':status: 200'))).toBe('3fe13f88');
  });

  it('that changed twice between blocks is told twice: the smallest, then the last', () => {
    const { encoder, decoder, write } = pair();
    for (let i = 0; i < 3; i++) write(list('x-name: 1'));
    for (const size of [2000, 0, 300, 4096]) encoder.setMaxTableSize(size);
    expect(write(list(':status: 200'))).toBe('203fe11f88');
    expect(tableOf(decoder)).toEqual([]);
    expect(write(list('x-name: 1'))).toMatch(/^40/);
  });

  it('that changed twice and ended at its smallest is told once', () => {
    const { encoder, write } = pair();
    for (const size of [2000, 100]) encoder.setMaxTableSize(size);
    expect(write(list(':status: 200'))).toBe('3f4588');
  });

  it('of 0 leaves everything literal', () => {
    const { encoder, write } = pair();
    encoder.setMaxTableSize(0);
    write([]);
    for (let i = 0; i < 4; i++) expect(write(list('a: 1'))).toBe('0001610131');
  });
});

describe('a list that is written again', () => {
  const fields = list(':status: 200', 'content-type: application/grpc');
  const hot = () => {
    const { encoder, decoder, write } = pair();
    for (let i = 0; i < 4; i++) write(fields);
    return { encoder, decoder, write };
  };

  it('gives the same bytes, once they are nothing but indices', () => {
    const { encoder } = hot();
    expect(encoder.encode(fields)).toEqual(hex('88be'));
    expect(encoder.encode(fields)).toBe(encoder.encode(fields));
  });

  it('gives other bytes when the table has changed', () => {
    const { encoder, write } = hot();
    const before = encoder.encode(fields);
    for (let i = 0; i < 2; i++) write(list('x-name: 1'));
    expect(write(fields)).toBe('88bf');
    expect(before).toEqual(hex('88be'));
    for (let i = 0; i < 2; i++) write(fields);
    expect(encoder.encode(fields)).toBe(encoder.encode(fields));
  });

  it('gives other bytes when a size of the table has to be told', () => {
    const { encoder, write } = hot();
    encoder.setMaxTableSize(100);
    expect(write(fields)).toBe('3f4588be');
    expect(write(fields)).toBe('88be');
    encoder.setMaxTableSize(0);
    expect(write(fields)).toMatch(/^2088/);
  });

  it('gives the right bytes in turn with many others', () => {
    const { encoder, write } = hot();
    const lists = ['200', '204', '206', '304', '400', '404', '500'].flatMap((status) => [
      list(`:status: ${status}`),
      list(`:status: ${status}`, 'content-type: application/grpc'),
    ]);
    const first = lists.map(write);
    for (let i = 0; i < 3; i++) expect(lists.map(write)).toEqual(first);
    expect(encoder.encode(fields)).toEqual(hex('88be'));
  });

  it('with a sensitive field is never remembered', () => {
    const { encoder } = hot();
    const secret = list('authorization: x');
    expect(encoder.encode(secret)).not.toBe(encoder.encode(secret));
  });
});
