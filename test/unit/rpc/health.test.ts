import { expect, test } from 'vitest';
import { Health } from '../../../src/rpc/health.ts';

test('so many watch the health at a time and no more, and whoever ends makes room', () => {
  const health = new Health([]);
  const watches = Array.from({ length: 1_000 }, () => health.watch());
  expect(() => health.watch()).toThrow(expect.objectContaining({ reason: 'CALLER_OVER_LIMIT' }));
  watches[0]?.[Symbol.dispose]();
  watches.push(health.watch());
  expect(() => health.watch()).toThrow(/1000 watch the health already/);
});
