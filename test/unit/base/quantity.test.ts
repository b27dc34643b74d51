import { expect, test } from 'vitest';
import { quantityOf } from '../../../src/base/quantity.ts';

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
  expect(quantityOf(text)).toBeCloseTo(amount, 9);
});

test.each(['', 'half', '-1', '+1', '1 Gi', '1MiB', '1mi', '1.', '.5', 'Infinity', '0x10', '1e', '1e999'])(
  '%j is none',
  (text) => {
    expect(quantityOf(text)).toBeUndefined();
  },
);
