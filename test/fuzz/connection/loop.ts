/** The event loop of one execution: what was put off runs when the execution says so, and time is its own. */
import { FakeClock } from '../../support/fake-clock.ts';

/** A clock that also goes on by itself: a little whenever somebody looks at it. */
class TickingClock extends FakeClock {
  readonly #step: number;

  constructor(step: number) {
    super();
    this.#step = step;
  }

  override monotonic(): number {
    if (this.#step > 0) this.advance(this.#step);
    return super.monotonic();
  }
}

export class Loop {
  readonly clock: FakeClock;
  #later: (() => void)[] = [];

  /** `step`: how far time goes on with every look at the clock, in milliseconds. */
  constructor(step: number) {
    this.clock = new TickingClock(step);
  }

  /** Runs `run` before the turn ends. */
  soon(run: () => void): void {
    this.#later.push(run);
  }

  /** Runs all that was put off, and what that puts off. */
  turn(): void {
    while (this.#later.length > 0) {
      const now = this.#later;
      this.#later = [];
      for (const run of now) run();
    }
  }
}

/** Runs with a loop in the place of Node's, without waiting for anything. */
export function withLoop(step: number, run: (loop: Loop) => void): void {
  const { setImmediate, queueMicrotask } = globalThis;
  const { nextTick } = process;
  const loop = new Loop(step);
  const later = (run: () => void) => loop.soon(run);
  try {
    Object.assign(globalThis, { setImmediate: later, queueMicrotask: later });
    Object.assign(process, { nextTick: later });
    run(loop);
  } finally {
    try {
      // Whatever went wrong: queues that connections share have to be empty for the next execution.
      loop.turn();
    } finally {
      Object.assign(globalThis, { setImmediate, queueMicrotask });
      Object.assign(process, { nextTick });
    }
  }
}
