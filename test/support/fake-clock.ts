/** A clock that stands still until it is moved, and fires what falls due on the way. */
import type { Clock, Timer } from '../../src/base/clock.ts';
import { TimerHeap } from './timer-heap.ts';

export class FakeClock implements Clock {
  /** Wall-clock time at its start, in milliseconds since 1970. */
  readonly start = Date.UTC(2026, 0, 1);
  #elapsed = 0;
  #jumped = 0;
  readonly #waiting = new TimerHeap();

  now(): number {
    return this.start + this.#jumped + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(milliseconds: number, run: () => void): Timer {
    const waiting = this.#waiting.add(this.#elapsed + Math.max(milliseconds, 0), run);
    return { [Symbol.dispose]: () => this.#waiting.remove(waiting) };
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#waiting.size;
  }

  /** Moves on by `milliseconds` and fires each timer at its time. */
  advance(milliseconds: number): void {
    const end = this.#elapsed + milliseconds;
    for (let due = this.#waiting.take(end); due !== undefined; due = this.#waiting.take(end)) {
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.run();
    }
    this.#elapsed = end;
  }

  /** A machine that was asleep: time has passed, and what fell due meanwhile fires late, at the end of it. */
  sleep(milliseconds: number): void {
    this.#elapsed += milliseconds;
    this.advance(0);
  }

  /** Somebody sets the wall clock, forwards or back: nothing fires, and no age changes. */
  wallJump(milliseconds: number): void {
    this.#jumped += milliseconds;
  }
}
