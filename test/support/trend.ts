/**
 * Whether something grows: a straight line through samples by least squares, and how sure its slope is. The interval
 * takes the samples' errors to be independent and alike, as every textbook does (Draper and Smith, Applied Regression
 * Analysis, chapter 1).
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A slope in units of y for each of x, with the ends of its 95 % confidence interval. */
export interface Trend {
  readonly slope: number;
  readonly low: number;
  readonly high: number;
}

/** The trend of at least three points, not all at the same x; throws for fewer. */
export function trendOf(points: readonly Point[]): Trend {
  const freedom = points.length - 2;
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2));
  if (freedom < 1 || spread === 0) throw new RangeError('a trend needs three points, at two places at least');
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
  const errors = sum(points.map(({ x, y }) => (y - meanY - slope * (x - meanX)) ** 2));
  const reach = studentT95(freedom) * Math.sqrt(errors / freedom / spread);
  return { slope, low: slope - reach, high: slope + reach };
}

/** Values of the table, where the series below is not exact enough. */
const exact = [12.706, 4.303, 3.182, 2.776];

/** The two-sided 95 % point of Student's t (Abramowitz and Stegun, 26.7.5), to the third digit after the point. */
export function studentT95(freedom: number): number {
  const known = exact[freedom - 1];
  if (known !== undefined) return known;
  const z = 1.959964;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return sum(terms.map((term, power) => term / freedom ** power));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
