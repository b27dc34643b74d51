/** How many calls a key service got at its busiest. */

/** The most of `times`, in milliseconds and in any order, that lie in any window of a second; 0 where there are none. */
export function busiestSecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let [most, first] = [0, 0];
  for (const [index, at] of sorted.entries()) {
    while ((sorted[first] ?? at) <= at - 1_000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
