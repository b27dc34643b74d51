/** RFC 7541 appendix C, block by block, with the dynamic table after each. */
import { describe, expect, it } from 'vitest';
import { HeaderDecoder } from '../../../../src/h2/hpack/decoder.ts';
import { fieldSize } from '../../../../src/h2/hpack/field.ts';
import { hex, list, tableOf } from './blocks.ts';
import { sequences } from './rfc-examples.ts';

describe.each(sequences)('RFC 7541 $section', ({ maxTableSize, examples }) => {
  it.each([...examples.keys()])('decodes the fields and leaves the table of block %i', (last) => {
    const decoder = new HeaderDecoder({ maxTableSize, maxListSize: 16_384 });
    const decoded = examples.slice(0, last + 1).map(({ block }) => decoder.decode(hex(block)));
    const { fields, table, tableSize } = examples[last] ?? { fields: [], table: [], tableSize: -1 };
    const expected = list(...fields);
    const size = expected.reduce((sum, field) => sum + fieldSize(field), 0);
    expect(decoded.at(-1)).toEqual({ fields: expected, size, isTooLarge: false });
    const present = tableOf(decoder);
    expect(present).toEqual(list(...table));
    expect(present.reduce((sum, field) => sum + fieldSize(field), 0)).toBe(tableSize);
  });
});

it('the Huffman blocks of appendix C are the plain ones, shorter', () => {
  const size = (section: string) =>
    sequences.find((sequence) => sequence.section.startsWith(section))?.examples.map(({ block }) => hex(block).length);
  expect([size('C.3'), size('C.4')]).toEqual([
    [20, 14, 29],
    [17, 12, 24],
  ]);
  expect([size('C.5'), size('C.6')]).toEqual([
    [70, 8, 98],
    [54, 8, 79],
  ]);
});
