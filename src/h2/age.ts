/** How old a connection becomes before its peer is asked to come anew. */
import type { Limits } from './limits.ts';

/** How much of `maxAgeMs` chance may add or take: those that came together do not leave together. */
const jitter = 0.1;

export class Age {
  readonly #born: number;
  readonly #most: number;
  readonly #idleMs: number;

  /** Born at `now`; times are monotonic, in milliseconds. `random` is from 0 to 1. */
  constructor({ maxAgeMs, idleMs }: Limits, { now, random }: { now: number; random: () => number }) {
    this.#born = now;
    this.#most = maxAgeMs * (1 + jitter * (2 * random() - 1));
    this.#idleMs = idleMs;
  }

  /** Milliseconds since it was born. */
  at(now: number): number {
    return now - this.#born;
  }

  /** Whether it has been there for long enough, or unused, which it is since `idleSince`. */
  isOver(now: number, idleSince: number | undefined): boolean {
    const isUnused = idleSince !== undefined && now - idleSince >= this.#idleMs;
    return isUnused || this.at(now) >= this.#most;
  }
}
