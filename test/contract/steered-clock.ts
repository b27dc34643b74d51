/** The machine's clock, on which time can also be skipped: what falls due on the way fires. */
import { type Clock, systemClock } from '../../src/base/clock.ts';

interface Waiting {
  readonly at: number;
  timer: Disposable;
  readonly run: () => void;
}

export class SteeredClock implements Clock {
  #skipped = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return systemClock.now() + this.#skipped;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#skipped;
  }

  after(milliseconds: number, run: () => void): Disposable {
    const fire = () => {
      if (this.#waiting.delete(waiting)) run();
    };
    const waiting: Waiting = {
      at: this.monotonic() + milliseconds,
      timer: systemClock.after(milliseconds, fire),
      run: fire,
    };
    this.#waiting.add(waiting);
    return {
      [Symbol.dispose]: () => {
        this.#waiting.delete(waiting);
        waiting.timer[Symbol.dispose]();
      },
    };
  }

  /** Moves on by `milliseconds` at once. What falls due runs now; what is still to wait waits that much less. */
  skip(milliseconds: number): void {
    this.#skipped += milliseconds;
    for (const waiting of [...this.#waiting].sort((a, b) => a.at - b.at)) {
      waiting.timer[Symbol.dispose]();
      const left = waiting.at - this.monotonic();
      if (left <= 0) waiting.run();
      else waiting.timer = systemClock.after(left, waiting.run);
    }
  }
}
