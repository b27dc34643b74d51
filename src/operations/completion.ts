/** When to look for a root that all keys of a tenant open, in the place of one that was made while some said nothing. */

/** The pause before the first attempt, and after each that the current key did not answer, in milliseconds. */
const firstPauseMs = 30_000;
/** The longest pause. A replica that is gone for good must not cost the current key's service a call each half minute. */
const longestPauseMs = 15 * 60_000;

/** The attempts for one root. */
export class Completion {
  #triedAt: number;
  #pauseMs = firstPauseMs;

  /** `bornAt`: when the root was made, in milliseconds of the monotonic clock. */
  constructor(bornAt: number) {
    this.#triedAt = bornAt;
  }

  /**
   * Whether an attempt is due at the time `now`; it then counts as made. Where the current key's entry is what is
   * missing, attempts cost little and stay frequent; where it is a replica's, pauses double.
   */
  isDue(now: number, lacks: 'current' | 'replica'): boolean {
    if (now - this.#triedAt < this.#pauseMs) return false;
    this.#triedAt = now;
    if (lacks === 'replica') this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
    return true;
  }
}
