/** Ten thousand customers on one daemon, all of whom call: how long it takes to start, and what it takes of the machine. */
import { expect, test } from 'vitest';
import { manyLine, seeMany } from '../support/many-tenants.ts';

test('ten thousand tenants are served by one daemon, and the no of one of them harms no other', async () => {
  const many = { tenants: 10_000, callers: 10_000 };
  const seen = await seeMany(many);
  process.stdout.write(`${manyLine(many, seen)}\n`);
  expect(seen.refused).toEqual(['KEY_DISABLED DisabledException', 'KEY_DISABLED DisabledException']);
  const failures = Object.groupBy(seen.failures, (failure) => failure.replace(/^\S+ /, ''));
  process.stdout.write(`${JSON.stringify(Object.entries(failures).map(([k, v]) => [k, v?.length]))}\n`);
  expect(seen.failures).toEqual([]);
  expect(seen.others).toBe(9_999);
});
