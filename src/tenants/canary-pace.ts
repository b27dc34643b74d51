/** When the canary is asked next. One timer, that is moved. */
import { type Backoff, fullJitter } from '../base/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';

export interface CanaryPaceOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The time has come; nothing is planned any more then. */
  readonly run: () => void;
}

/** An interval is shorter by up to this part, so that nodes that started together do not ask together. */
const jitter = 0.1;

export class CanaryPace implements Disposable {
  readonly #options: CanaryPaceOptions;
  #timer: Timer | undefined;
  #at = Number.POSITIVE_INFINITY;
  /** Questions in a row that were not answered yes. */
  #failures = 0;

  constructor(options: CanaryPaceOptions) {
    this.#options = options;
  }

  /** Whether a question is planned. */
  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  /** Plans a question within `intervalMs`, unless one is planned. */
  startUnlessRunning(intervalMs: number): void {
    if (this.#timer === undefined) this.#plan(this.#now() + this.#shortened(intervalMs));
  }

  /** Plans a question after `ms` at the latest. */
  soon(ms: number): void {
    this.notAfter(this.#now() + ms);
  }

  /** Plans a question at `at` on the monotonic clock, unless one is planned before that. */
  notAfter(at: number): void {
    if (at < this.#at) this.#plan(at);
  }

  /** The next question after a yes that was sent at `sentAt`. */
  afterYes(sentAt: number, intervalMs: number): void {
    this.#failures = 0;
    this.notAfter(sentAt + this.#shortened(intervalMs));
  }

  /** Something has changed: questions come often again at first. */
  startAnew(): void {
    this.#failures = 0;
  }

  /** The next question after any other answer or none: after `firstMs`, then less and less often, up to the interval. */
  afterNo(intervalMs: number, firstMs: number): void {
    const backoff: Backoff = { baseMs: firstMs, capMs: intervalMs };
    const atMost = fullJitter(backoff, this.#failures, () => 1);
    this.#failures++;
    this.soon(atMost * (1 - this.#options.random() / 3));
  }

  /** Whether a proof that was sent at `provenAt` still holds for a while: then the next question is planned by it. */
  holdsFrom(provenAt: number, intervalMs: number): boolean {
    const next = provenAt + this.#shortened(intervalMs);
    if (next <= this.#now()) return false;
    this.#plan(next);
    return true;
  }

  /** Plans nothing for now. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #plan(at: number): void {
    this.stop();
    this.#at = at;
    this.#timer = this.#options.clock.after(Math.max(0, at - this.#now()), () => {
      this.stop();
      this.#options.run();
    });
  }

  #shortened(intervalMs: number): number {
    return intervalMs * (1 - jitter * this.#options.random());
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}
