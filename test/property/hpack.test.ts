/** What an encoder writes a decoder reads, whatever the fields and the sizes of the table; and no bytes break a decoder. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompressionError, HeaderDecoder } from '../../src/h2/hpack/decoder.ts';
import { HeaderEncoder } from '../../src/h2/hpack/encoder.ts';
import { fieldSize, type HeaderField, type HeaderList } from '../../src/h2/hpack/field.ts';
import { huffmanSize, maxDecodedSize, readHuffman, writeHuffman } from '../../src/h2/hpack/huffman.ts';

const latin1 = fc.nat(255).map((code) => String.fromCharCode(code));
const anyText = fc.string({ unit: latin1, maxLength: 40 });
const longText = fc.tuple(latin1, fc.nat(6000)).map(([character, length]) => character.repeat(length));
// Few names and values, so that much repeats: the table is where mistakes would be.
const name = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(':status', ':path', 'content-type', 'authorization', 'cookie', 'x-a', 'x-b'),
  },
  { weight: 1, arbitrary: anyText },
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('', '200', '/', 'application/grpc', 'a', 'b', 'c'.repeat(200)) },
  { weight: 2, arbitrary: anyText },
  { weight: 1, arbitrary: longText },
);
const field: fc.Arbitrary<HeaderField> = fc.record({ name, value }, { noNullPrototype: true });
const list = fc.array(field, { maxLength: 12 });

/** What happens to an encoder: a list, one of the lists before by its object, or settings of the peer. */
type Step = { readonly list: HeaderList } | { readonly again: number } | { readonly tableSize: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ list }) },
  { weight: 4, arbitrary: fc.record({ again: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ tableSize: fc.constantFrom(0, 40, 100, 300, 1000, 4096, 10_000, 65_536) }) },
);

function sizeOf(fields: HeaderList): number {
  return fields.reduce((sum, each) => sum + fieldSize(each), 0);
}

describe('HPACK', () => {
  it('reads back what it wrote, block after block, while the size of the table changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 100, 4096, 16_384), (steps, maxTableSize) => {
        const encoder = new HeaderEncoder({ maxTableSize });
        const decoder = new HeaderDecoder({ maxTableSize: 65_536, maxListSize: 1_000_000 });
        const lists: HeaderList[] = [[]];
        for (const each of steps) {
          if ('tableSize' in each) {
            encoder.setMaxTableSize(each.tableSize);
            continue;
          }
          const fields = 'list' in each ? each.list : (lists[lists.length - 1 - (each.again % lists.length)] ?? []);
          lists.push(fields);
          const decoded = decoder.decode(encoder.encode(fields));
          expect(decoded).toEqual({ fields, size: sizeOf(fields), isTooLarge: false });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the fields in front of a list that is too large, and the table in step', () => {
    fc.assert(
      fc.property(fc.array(list, { maxLength: 20 }), fc.nat(500), (lists, maxListSize) => {
        const encoder = new HeaderEncoder({ maxTableSize: 4096 });
        const strict = new HeaderDecoder({ maxTableSize: 4096, maxListSize });
        for (const fields of lists) {
          let size = 0;
          const kept = fields.filter((each) => {
            size += fieldSize(each);
            return size <= maxListSize;
          });
          expect(strict.decode(encoder.encode(fields))).toEqual({ fields: kept, size, isTooLarge: size > maxListSize });
        }
      }),
    );
  });

  it('throws nothing but CompressionError, whatever the bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), fc.constantFrom(0, 100, 10_000), (blocks, maxListSize) => {
        const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize });
        for (const block of blocks) {
          try {
            const { fields, size, isTooLarge } = decoder.decode(block);
            expect(sizeOf(fields)).toBeLessThanOrEqual(maxListSize);
            expect(isTooLarge).toBe(size > maxListSize);
          } catch (error) {
            if (!(error instanceof CompressionError)) throw error;
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('throws nothing but CompressionError where a bit of a good block is wrong or its end is missing', () => {
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 4 }), fc.nat(), fc.boolean(), (lists, at, isCut) => {
        const encoder = new HeaderEncoder({ maxTableSize: 4096 });
        const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 16_384 });
        for (const fields of lists) {
          const block = Buffer.from(encoder.encode(fields));
          const place = at % (block.length + 1);
          if (place < block.length) block[place] = (block[place] ?? 0) ^ (1 << (at & 7));
          try {
            decoder.decode(isCut ? block.subarray(0, place) : block);
          } catch (error) {
            if (!(error instanceof CompressionError)) throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the Huffman code', () => {
  const anyBytes = fc.oneof(fc.string({ unit: latin1, maxLength: 300 }), longText);

  it('brings back every string of bytes', () => {
    fc.assert(
      fc.property(anyBytes, (text) => {
        const source = Buffer.alloc(huffmanSize(text));
        expect(writeHuffman(text, source, 0)).toBe(source.length);
        const target = Buffer.alloc(maxDecodedSize(source.length));
        const size = readHuffman(source, { start: 0, end: source.length, target });
        expect(target.toString('latin1', 0, size)).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it('is written in one way only: what can be read is what would be written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (array) => {
        const source = Buffer.from(array);
        const target = Buffer.alloc(maxDecodedSize(source.length));
        const size = readHuffman(source, { start: 0, end: source.length, target });
        if (size < 0) return;
        const text = target.toString('latin1', 0, size);
        const written = Buffer.alloc(huffmanSize(text));
        writeHuffman(text, written, 0);
        expect(written).toEqual(source);
      }),
      { numRuns: 5000 },
    );
  });
});
