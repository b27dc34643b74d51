/** A clock that stands still until it is moved. */
import type { Clock } from '../../../src/base/clock.ts';

interface Waiting {
  readonly at: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  readonly #waiting = new Set<Waiting>();

  /** `start` is the wall-clock time at which it stands, in milliseconds since 1970. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(milliseconds: number, run: () => void): Disposable {
    const waiting = { at: this.#elapsed + milliseconds, run };
    this.#waiting.add(waiting);
    return { [Symbol.dispose]: () => this.#waiting.delete(waiting) };
  }

  /** How many timers have been set and neither fired nor been taken back. */
  get timers(): number {
    return this.#waiting.size;
  }

  /** Milliseconds until the next timer fires; undefined where none is set. */
  get untilNext(): number | undefined {
    const times = [...this.#waiting].map((waiting) => waiting.at - this.#elapsed);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Moves on by `milliseconds`, fires what falls due in its order, and lets promises settle before each. */
  async advance(milliseconds: number): Promise<void> {
    await settled();
    const end = this.#elapsed + milliseconds;
    for (;;) {
      const due = [...this.#waiting].filter((waiting) => waiting.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#waiting.delete(due);
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.run();
      await settled();
    }
    this.#elapsed = end;
    await settled();
  }
}

/** Returns once everything that waits for nothing but promises has run. */
export function settled(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}
