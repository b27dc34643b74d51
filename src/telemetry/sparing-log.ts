/** Lines that a flood of calls must not multiply: of each kind one in a while, with how many were left out. */
import type { Clock } from '../base/clock.ts';

/** Between two lines of one kind, in milliseconds. */
const pauseMs = 10_000;
/** Kinds that are told apart. Beyond, all are forgotten, and each is told once more. */
const maxKinds = 1_000;

interface Kind {
  at: number;
  leftOut: number;
}

export class SparingLog {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `write` unless a line of this kind was written a moment ago; with how many were left out since. */
  tell(kind: string, write: (leftOut: number) => void): void {
    const now = this.#clock.monotonic();
    const known = this.#kinds.get(kind);
    if (known !== undefined && now - known.at < pauseMs) {
      known.leftOut += 1;
      return;
    }
    if (known === undefined && this.#kinds.size >= maxKinds) this.#kinds.clear();
    this.#kinds.set(kind, { at: now, leftOut: 0 });
    write(known?.leftOut ?? 0);
  }
}
