/** Chance that can be had again: the same seed gives the same numbers, in [0, 1). Good enough for traffic, not for keys. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  // mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
