/** The most events within any second, given their times in milliseconds, in order. */
export function busiestSecond(times: readonly number[]): number {
  let [most, from] = [0, 0];
  for (const [i, at] of times.entries()) {
    while ((times[from] ?? 0) <= at - 1_000) from++;
    most = Math.max(most, i - from + 1);
  }
  return most;
}
