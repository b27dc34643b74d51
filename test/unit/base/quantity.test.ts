import { expect, test } from 'vitest';
import { isOverLimit, quantityOf } from '../../../src/base/quantity.ts';

test.each([
  ['250m', 0.25],
  ['1', 1],
  ['0.1', 0.1],
  ['96Mi', 96 * 2 ** 20],
  ['1Gi', 2 ** 30],
  ['2G', 2e9],
  ['128974848', 128_974_848],
  ['129e6', 129e6],
])('%s is a quantity', (text, amount) => {
  expect(quantityOf(text)).toBe(BigInt(Math.round(amount * 1000)) * 10n ** 9n);
});

test.each([
  ['9m', '0.009', false],
  ['10m', '0.009', true],
  ['0.1', '100m', false],
  ['0.000000001m', '0', true],
  ['999999999999999.999999999', '1E', false],
  ['1Ei', '1E', true],
  ['1e99', '1Ei', true],
  [undefined, '0', false],
  ['1', undefined, false],
])('%s is over the limit %s: %s', (request, limit, is) => {
  expect(isOverLimit(request, limit)).toBe(is);
});

test.each(['', 'half', '-1', '+1', '1 Gi', '1MiB', '1mi', '1.', '.5', 'Infinity', '0x10', '1e', '1e999'])(
  '%j is none',
  (text) => {
    expect(quantityOf(text)).toBeUndefined();
  },
);
