/**
 * Expiry in buckets of one second, so that keys are wiped when their time is over even if nobody asks for them, at a
 * cost that depends on how many expire and not on how many there are.
 */
import type { Clock, Timer } from '../base/clock.ts';

const bucketMs = 1000;

/** Calls `expire` for each item within a second after its time. Items are told apart by identity. */
export class Expiry<T> implements Disposable {
  readonly #clock: Clock;
  readonly #expire: (item: T) => void;
  readonly #buckets = new Map<number, Set<T>>();
  readonly #bucketOf = new Map<T, number>();
  #next: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, expire: (item: T) => void) {
    this.#clock = clock;
    this.#expire = expire;
    this.#next = Math.floor(clock.monotonic() / bucketMs);
  }

  /** Plans the end of `item` at `at`, in milliseconds of the monotonic clock; replaces an earlier plan. */
  plan(item: T, at: number): void {
    this.cancel(item);
    const bucket = Math.max(Math.ceil(at / bucketMs), this.#next);
    const items = this.#buckets.get(bucket) ?? new Set();
    items.add(item);
    this.#buckets.set(bucket, items);
    this.#bucketOf.set(item, bucket);
    this.#schedule();
  }

  /** Takes back the plan for `item`, if there is one. */
  cancel(item: T): void {
    const bucket = this.#bucketOf.get(item);
    if (bucket === undefined) return;
    this.#bucketOf.delete(item);
    const items = this.#buckets.get(bucket);
    items?.delete(item);
    if (items?.size === 0) this.#buckets.delete(bucket);
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = Math.floor(this.#clock.monotonic() / bucketMs);
    // After a long sleep of the machine most seconds hold nothing: walk whichever of the two is shorter.
    const due = now - this.#next > this.#buckets.size ? this.#dueBuckets(now) : range(this.#next, now);
    for (const bucket of due) {
      for (const item of this.#buckets.get(bucket) ?? []) {
        this.cancel(item);
        this.#expire(item);
      }
    }
    this.#next = now + 1;
    if (this.#bucketOf.size > 0) this.#schedule();
  }

  /** Wakes up when the current bucket ends: later would add up to a second to every item's time. */
  #schedule(): void {
    const left = bucketMs - (this.#clock.monotonic() % bucketMs);
    this.#timer ??= this.#clock.after(left, () => this.#sweep());
  }

  #dueBuckets(now: number): number[] {
    return [...this.#buckets.keys()].filter((bucket) => bucket <= now);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#buckets.clear();
    this.#bucketOf.clear();
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
