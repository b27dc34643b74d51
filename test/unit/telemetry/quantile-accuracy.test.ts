/** How well a p99 can be read from the buckets of the histogram of data keys, over the latencies that services have. */
import { expect, it } from 'vitest';
import { describedMetrics } from '../../../docs/generate.ts';

/** Chance that a log-normal value is at most `x`; the error function by Abramowitz and Stegun, 7.1.26. */
function below(x: number, median: number, sigma: number): number {
  const z = Math.log(x / median) / (sigma * Math.SQRT2);
  const t = 1 / (1 + 0.3275911 * Math.abs(z));
  const tail = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce((sum, a) => (sum + a) * t, 0);
  const half = (tail * Math.exp(-z * z)) / 2;
  return z < 0 ? half : 1 - half;
}

/** As `histogram_quantile` reads it: a straight line inside the bucket. */
function readP99(bounds: readonly number[], part: (x: number) => number): number {
  const index = bounds.findIndex((bound) => part(bound) >= 0.99);
  const [lower, upper] = [bounds[index - 1] ?? 0, bounds[index] ?? Number.NaN];
  return lower + ((upper - lower) * (0.99 - part(lower))) / (part(upper) - part(lower));
}

/** The value that `part` gives 0.99 for. */
function trueP99(part: (x: number) => number): number {
  let [low, high] = [0.0001, 5];
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (part(middle) < 0.99) low = middle;
    else high = middle;
  }
  return high;
}

it('a p99 of log-normal latencies from 10 ms to 4 s is read within 10 %, half of them within 2.5 %', () => {
  const bounds = describedMetrics()
    .served.find(({ name }) => name === 'keyproxy_dek_generation_seconds')
    ?.bounds.map(Number);
  const errors: number[] = [];
  for (let step = 0; step < 60; step += 1) {
    const median = 0.008 * 100 ** (step / 59);
    for (const sigma of [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]) {
      const part = (x: number) => (x === 0 ? 0 : below(x, median, sigma));
      const p99 = trueP99(part);
      if (p99 < 4) errors.push(Math.abs(readP99(bounds ?? [], part) / p99 - 1));
    }
  }
  errors.sort((a, b) => a - b);
  expect(errors.length).toBeGreaterThan(300);
  expect(errors.at(-1)).toBeLessThan(0.1);
  expect(errors[Math.floor(errors.length / 2)]).toBeLessThan(0.025);
});
