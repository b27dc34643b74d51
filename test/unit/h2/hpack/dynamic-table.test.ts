import { describe, expect, it } from 'vitest';
import { DynamicTable } from '../../../../src/h2/hpack/dynamic-table.ts';
import type { HeaderField } from '../../../../src/h2/hpack/field.ts';

/** A field that counts 34 bytes. */
function field(letter: string): HeaderField {
  return { name: letter, value: letter };
}

function contentOf(table: DynamicTable): string {
  return Array.from({ length: table.length }, (_, place) => table.at(place)?.name).join('');
}

describe('a dynamic table', () => {
  it('has the newest field in front and nothing beyond the oldest', () => {
    const table = new DynamicTable(4096);
    for (const letter of 'abc') expect(table.insert(field(letter))).toBe(true);
    expect(contentOf(table)).toBe('cba');
    expect(table.size).toBe(3 * 34);
    expect([table.at(-1), table.at(3), table.at(1_000_000)]).toEqual([undefined, undefined, undefined]);
  });

  it('evicts the oldest fields and tells of them in order', () => {
    const gone: string[] = [];
    const table = new DynamicTable(3 * 34, ({ name }) => gone.push(name));
    for (const letter of 'abcd') table.insert(field(letter));
    table.insert({ name: 'long', value: 'v'.repeat(30) });
    expect(contentOf(table)).toBe('longd');
    expect(gone.join('')).toBe('abc');
    expect(table.size).toBe(34 + 66);
  });

  it('is emptied by a field that is larger than it', () => {
    const table = new DynamicTable(40);
    table.insert(field('a'));
    expect(table.insert({ name: 'long', value: 'value' })).toBe(false);
    expect([table.length, table.size]).toEqual([0, 0]);
  });

  it('evicts what no longer fits when it gets smaller', () => {
    const table = new DynamicTable(4096);
    for (const letter of 'abcd') table.insert(field(letter));
    table.resize(2 * 34 + 33);
    expect(contentOf(table)).toBe('dc');
    table.resize(0);
    expect([table.length, table.size, table.maxSize]).toEqual([0, 0, 0]);
    expect(table.insert(field('e'))).toBe(false);
  });

  it('keeps its order when it grows past the end of its ring', () => {
    const table = new DynamicTable(20 * 34);
    const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(5);
    table.resize(10 * 34);
    for (const letter of letters.slice(0, 13)) table.insert(field(letter));
    table.resize(20 * 34);
    for (const letter of letters.slice(13)) table.insert(field(letter));
    expect(contentOf(table)).toBe([...letters].reverse().join('').slice(0, 20));
  });

  it('has another generation after each insertion and each resizing', () => {
    const table = new DynamicTable(34);
    const seen = [table.generation];
    table.insert(field('a'));
    seen.push(table.generation);
    table.insert({ name: 'large', value: 'v' });
    seen.push(table.generation);
    table.resize(34);
    seen.push(table.generation);
    expect(new Set(seen).size).toBe(4);
  });
});
