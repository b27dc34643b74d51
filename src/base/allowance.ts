/**
 * An allowance is spent one by one and comes back with time, so that a burst passes and a flood does not: a token bucket.
 */
export class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  /** Full at the time `now`, monotonic, in milliseconds. */
  constructor(options: { readonly most: number; readonly perSecond: number; readonly now: number }) {
    this.#most = options.most;
    this.#perSecond = options.perSecond;
    this.#left = options.most;
    this.#at = options.now;
  }

  /** Takes `count`; false where that was too much. `now` is monotonic, in milliseconds. */
  take(count: number, now: number): boolean {
    this.#comeBack(now);
    this.#left -= count;
    return this.#left >= 0;
  }

  /** Takes one, unless there is none: what is refused costs nothing more. */
  tryTake(now: number): boolean {
    if (!this.has(now)) return false;
    this.#left -= 1;
    return true;
  }

  /** Takes one that was spent already: it may leave a debt, as large as the allowance at most. */
  owe(now: number): void {
    this.#comeBack(now);
    this.#left = Math.max(this.#left - 1, -this.#most);
  }

  /** Whether there is one to take. */
  has(now: number): boolean {
    this.#comeBack(now);
    return this.#left >= 1;
  }

  /** Gives one back: it brought something. */
  earn(): void {
    if (this.#left < this.#most) this.#left++;
  }

  /** Gives all of it back. */
  refill(): void {
    this.#left = this.#most;
  }

  #comeBack(now: number): void {
    if (now <= this.#at) return;
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
  }
}
