/** A thousand customers on one daemon. test/long/many-tenants.test.ts has ten thousand, all of whom call. */
import { expect, test } from 'vitest';
import { seeMany } from '../../support/many-tenants.ts';

test('a thousand tenants are served by one daemon, and the no of one of them harms no other', async () => {
  const seen = await seeMany({ tenants: 1_000, callers: 100 });
  expect(seen.refused).toEqual(['KEY_DISABLED DisabledException', 'KEY_DISABLED DisabledException']);
  expect(seen.failures).toEqual([]);
  expect(seen.others).toBe(99);
});
