import { Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { TallyHistogram } from '../../../src/telemetry/tally-histogram.ts';

const configuration = { name: 'wait_seconds', help: 'A wait.', labelNames: ['who'] as const, buckets: [0.1, 1, 5] };

test('a tally histogram reads as one of prom-client that saw the same, values on a bound included', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const tally = new TallyHistogram({ ...configuration, registers: [ours] });
  const plain = new Histogram({ ...configuration, registers: [theirs] });
  const [a, b] = [tally.tally({ who: 'a' }), tally.tally({ who: 'b' })];
  for (const value of [0, 0.05, 0.1, 0.5, 1, 4.9, 5, 80]) {
    a.observe(value);
    plain.observe({ who: 'a' }, value);
  }
  b.observe(2);
  plain.observe({ who: 'b' }, 2);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
