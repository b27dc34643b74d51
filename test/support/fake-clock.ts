/** A clock that stands still until it is moved, and fires what falls due on the way. */
import type { Clock, Timer } from '../../src/base/clock.ts';

interface Waiting {
  readonly at: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  /** Wall-clock time at its start, in milliseconds since 1970. */
  readonly start = Date.UTC(2026, 0, 1);
  #elapsed = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return this.start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(milliseconds: number, run: () => void): Timer {
    const waiting = { at: this.#elapsed + Math.max(milliseconds, 0), run };
    this.#waiting.add(waiting);
    return { [Symbol.dispose]: () => this.#waiting.delete(waiting) };
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#waiting.size;
  }

  /** Moves on by `milliseconds` and fires each timer at its time. */
  advance(milliseconds: number): void {
    const end = this.#elapsed + milliseconds;
    for (let due = this.#due(end); due !== undefined; due = this.#due(end)) {
      this.#elapsed = Math.max(this.#elapsed, due.at);
      this.#waiting.delete(due);
      due.run();
    }
    this.#elapsed = end;
  }

  /** A machine that was asleep: time has passed, and what fell due meanwhile fires late, at the end of it. */
  sleep(milliseconds: number): void {
    this.#elapsed += milliseconds;
    this.advance(0);
  }

  #due(end: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (waiting.at <= end && (first === undefined || waiting.at < first.at)) first = waiting;
    }
    return first;
  }
}
