/** How long the slowest of many calls take. */

const callsAtOnce = 64;

/** Makes `count` calls, 64 at a time; the 99th percentile of their times, in milliseconds. */
export async function tailOf(call: () => Promise<unknown>, count: number): Promise<number> {
  const times: number[] = [];
  let left = count;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      const start = performance.now();
      await call();
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, caller));
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}
