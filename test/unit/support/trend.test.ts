/** The line through samples, against figures that were published. */
import { describe, expect, test } from 'vitest';
import { studentT95, trendOf } from '../../support/trend.ts';

/** Anscombe, "Graphs in Statistical Analysis" (1973), the first data set; slope 0.500 with a standard error of 0.118. */
const anscombe = [
  ...[
    [10, 8.04],
    [8, 6.95],
    [13, 7.58],
    [9, 8.81],
    [11, 8.33],
    [14, 9.96],
  ],
  ...[
    [6, 7.24],
    [4, 4.26],
    [12, 10.84],
    [7, 4.82],
    [5, 5.68],
  ],
].map(([x = 0, y = 0]) => ({ x, y }));

describe('trendOf', () => {
  test('has the slope and the interval of a published example', () => {
    const { slope, low, high } = trendOf(anscombe);
    expect(slope).toBeCloseTo(0.5001, 3);
    expect(low).toBeCloseTo(0.5001 - 2.262 * 0.1179, 3);
    expect(high).toBeCloseTo(0.5001 + 2.262 * 0.1179, 3);
  });

  test('is sure of a line, and of a flat one', () => {
    const line = (slope: number) => Array.from({ length: 20 }, (_, x) => ({ x: x + 1_000, y: 7 + slope * x }));
    expect(trendOf(line(3)).low).toBeCloseTo(3);
    expect(trendOf(line(3)).high).toBeCloseTo(3);
    expect(trendOf(line(0))).toEqual({ slope: 0, low: 0, high: 0 });
  });

  test('is not sure of anything where samples jump about, however they lie', () => {
    const { low, high } = trendOf(Array.from({ length: 20 }, (_, x) => ({ x, y: x % 2 === 0 ? 100 : -100 })));
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });

  test('throws for two points, and for points of one moment', () => {
    expect(() => trendOf(anscombe.slice(0, 2))).toThrow('three points');
    expect(() => trendOf([1, 2, 3].map((y) => ({ x: 1, y })))).toThrow('three points');
  });
});

test.each([
  [1, 12.706],
  [4, 2.776],
  [5, 2.571],
  [9, 2.262],
  [30, 2.042],
  [100, 1.984],
])("Student's t has the value of the table for %i degrees of freedom", (freedom, value) => {
  expect(studentT95(freedom)).toBeCloseTo(value, 2);
});
