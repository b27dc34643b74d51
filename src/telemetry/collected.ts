/**
 * The text of all metrics, for whoever asks and however often: each collection is for all who have asked by then, and
 * collections take no more than a share of the time, since who asks need not say who they are.
 */
import type { Registry } from 'prom-client';
import { type Clock, pause } from '../base/clock.ts';

/** So many times as long as a collection took, there is none after it, and no longer than this, in milliseconds. */
const [restTimes, longestRest] = [9, 1000];

/** Returns what collects: bytes that were collected after it was called, which nobody may change. */
export function collected(registry: Pick<Registry, 'metrics'>, clock: Clock): () => Promise<Buffer> {
  let rested = Promise.resolve();
  let next: Promise<Buffer> | undefined;
  const collect = () => {
    next = undefined;
    const begun = clock.monotonic();
    const bytes = registry.metrics().then((text) => Buffer.from(text));
    const rest = () => pause(clock, Math.min(restTimes * (clock.monotonic() - begun), longestRest));
    rested = bytes.then(rest, rest);
    return bytes;
  };
  return () => {
    next ??= rested.then(collect);
    return next;
  };
}
