import { expect, it } from 'vitest';
import { staticFields, staticIndex } from '../../../../src/h2/hpack/static-table.ts';

it('the static table has the 61 fields of RFC 7541 appendix A at their indices', () => {
  expect(staticFields).toHaveLength(61);
  const samples = {
    1: ':authority',
    2: ':method',
    7: ':scheme',
    14: ':status',
    15: 'accept-charset',
    31: 'content-type',
  };
  for (const [index, name] of Object.entries(samples)) expect(staticFields[Number(index) - 1]?.name).toBe(name);
  expect(staticFields[15]).toEqual({ name: 'accept-encoding', value: 'gzip, deflate' });
  expect(staticFields[60]).toEqual({ name: 'www-authenticate', value: '' });
  // From `accept-charset` on they are in alphabetical order, but for `accept`, which the RFC has after its longer names.
  const names = staticFields.slice(14).map(({ name }) => name);
  expect(names.filter((name) => name !== 'accept')).toEqual(names.filter((name) => name !== 'accept').toSorted());
});

it('every field of the static table is found by name and value, and a name by its first field', () => {
  for (const [at, { name, value }] of staticFields.entries()) {
    expect(staticIndex.named(name)?.numbers.get(value)).toBe(at + 1);
    expect(staticIndex.named(name)?.newest).toBe(staticFields.findIndex((field) => field.name === name) + 1);
  }
});
