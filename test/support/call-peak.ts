/** How many calls a key service got at its busiest. */

/** Most of `times`, in milliseconds and in any order, that lie in any window of a second; 0 where there are none. */
export function peakPerSecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let [first, most] = [0, 0];
  for (const [index, at] of sorted.entries()) {
    while ((sorted[first] ?? at) <= at - 1000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
