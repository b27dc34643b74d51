/** A rate-limit quota over all paths: a token bucket that holds one second's worth. */
export class RateLimit {
  readonly #now: () => number;
  #perSecond: number | undefined;
  #tokens = 0;
  #filledAt = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Requests per second; undefined lifts the quota. */
  set(perSecond: number | undefined): void {
    this.#perSecond = perSecond;
    this.#tokens = perSecond ?? 0;
    this.#filledAt = this.#now();
  }

  /** Takes one request out of the quota; false means that there is none left. */
  admits(): boolean {
    if (this.#perSecond === undefined) return true;
    const now = this.#now();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
