/** What a decoder remembers of blocks, and when it forgets. */
import { describe, expect, it } from 'vitest';
import { HeaderDecoder } from '../../../../src/h2/hpack/decoder.ts';
import { hex, list, literal } from './blocks.ts';

const limits = { maxTableSize: 4096, maxListSize: 16_384 };
const block = () => hex('828684');

function decoderWithField(): HeaderDecoder {
  const decoder = new HeaderDecoder(limits);
  decoder.decode(literal(0x40, { name: 'a', value: '1' }));
  return decoder;
}

describe('a block that a decoder has read before', () => {
  it('gives the same object, whoever owns the bytes', () => {
    const decoder = decoderWithField();
    const bytes = block();
    const decoded = decoder.decode(bytes);
    bytes.fill(0);
    expect(decoder.decode(block())).toBe(decoded);
    expect(decoder.decode(block())).toBe(decoded);
  });

  it.each([1, 40, 60, 506])(
    'gives the same object with a value of %i bytes, and another one if a byte differs',
    (length) => {
      const decoder = decoderWithField();
      const bytes = literal(0x10, { name: 'b', value: 'v'.repeat(length) });
      const decoded = decoder.decode(bytes);
      expect(decoder.decode(Buffer.from(bytes))).toBe(decoded);
      const other = Buffer.from(bytes);
      other[other.length - 1] = 0x77;
      expect(decoder.decode(other)).not.toBe(decoded);
      expect(decoder.decode(other).fields).toEqual([{ name: 'b', value: `${'v'.repeat(length - 1)}w` }]);
      expect(decoder.decode(Buffer.from(bytes))).toBe(decoded);
    },
  );

  it('gives another object if it is longer than 2,048 bytes', () => {
    const decoder = decoderWithField();
    const bytes = literal(0x10, { name: 'b', value: 'v'.repeat(2_100) });
    expect(decoder.decode(bytes)).not.toBe(decoder.decode(bytes));
  });

  it('is forgotten when four others have come since', () => {
    const decoder = decoderWithField();
    const decoded = decoder.decode(block());
    for (const other of ['82', '83', '84']) decoder.decode(hex(other));
    expect(decoder.decode(block())).toBe(decoded);
    decoder.decode(hex('85'));
    expect(decoder.decode(block())).not.toBe(decoded);
  });

  it.each([
    ['inserted a field', literal(0x40, { name: 'b', value: '2' })],
    ['emptied the table with a field larger than it', literal(0x40, { name: 'b', value: 'x'.repeat(5000) })],
    ['changed the size of the table', hex('20')],
    ['named the size that the table has', hex('3fe11f')],
  ])('is forgotten when another one has %s', (_, other) => {
    const decoder = decoderWithField();
    const decoded = decoder.decode(block());
    decoder.decode(other);
    const again = decoder.decode(block());
    expect(again).not.toBe(decoded);
    expect(again).toEqual(decoded);
  });

  it('means what its indices mean now', () => {
    const decoder = decoderWithField();
    expect(decoder.decode(hex('be')).fields).toEqual(list('a: 1'));
    decoder.decode(literal(0x40, { name: 'b', value: '2' }));
    expect(decoder.decode(hex('be')).fields).toEqual(list('b: 2'));
  });

  it('is read anew, and fails anew, where a block before it failed inside', () => {
    const decoder = decoderWithField();
    expect(decoder.decode(hex('be')).fields).toEqual(list('a: 1'));
    const broken = Buffer.concat([literal(0x40, { name: 'b', value: '2' }), hex('80')]);
    expect(() => decoder.decode(broken)).toThrow();
    expect(() => decoder.decode(broken)).toThrow();
    expect(decoder.decode(hex('be')).fields).toEqual(list('b: 2'));
  });

  it.each([
    ['inserts a field', () => literal(0x40, { name: 'b', value: '2' })],
    ['updates the size of the table', () => hex('3fe11f82')],
  ])('gives another object if it %s', (_, bytes) => {
    const decoder = decoderWithField();
    expect(decoder.decode(bytes())).not.toBe(decoder.decode(bytes()));
  });

  it('that is too large a list gives the same object too', () => {
    const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 50 });
    const decoded = decoder.decode(block());
    expect(decoded.isTooLarge).toBe(true);
    expect(decoder.decode(block())).toBe(decoded);
  });
});
