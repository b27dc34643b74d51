/**
 * Exponential back-off with full jitter: a random delay between zero and a ceiling that doubles with every attempt
 * (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
 */

export interface Backoff {
  /** Ceiling of the first delay, in milliseconds. */
  readonly baseMs: number;
  /** No delay is longer, in milliseconds. */
  readonly capMs: number;
}

/** The delay before retry number `attempt` (0 for the first), in milliseconds. `random` is in [0, 1). */
export function fullJitter(backoff: Backoff, attempt: number, random: () => number): number {
  return random() * Math.min(backoff.capMs, backoff.baseMs * 2 ** attempt);
}
