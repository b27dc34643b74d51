/**
 * The request quota of an account in a region: a token bucket that holds one second's worth.
 *
 * The account that asks is the one that is throttled, whoever owns the key (KMS developer guide, "Request quotas").
 */

export class RateLimit {
  readonly #buckets = new Map<string, { tokens: number; filledAt: number }>();
  readonly #now: () => number;
  #perSecond: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Requests per second for each account and region; undefined lifts the limit. */
  set(perSecond: number | undefined): void {
    this.#perSecond = perSecond;
    this.#buckets.clear();
  }

  /** Takes one request out of the quota; false means throttled. */
  admits(accountId: string, region: string): boolean {
    if (this.#perSecond === undefined) return true;
    const name = `${accountId}/${region}`;
    const now = this.#now();
    const bucket = this.#buckets.get(name) ?? { tokens: this.#perSecond, filledAt: now };
    const tokens = Math.min(this.#perSecond, bucket.tokens + ((now - bucket.filledAt) / 1000) * this.#perSecond);
    const admitted = tokens >= 1;
    this.#buckets.set(name, { tokens: admitted ? tokens - 1 : tokens, filledAt: now });
    return admitted;
  }
}
