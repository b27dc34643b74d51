/**
 * The calls of one connection that wait for their handlers. They begin when all that came with them has been read, so
 * that one that was given up in the same breath makes no work, and while the peer makes room for the answers.
 */
import type { Call } from './call.ts';

export class ReadyCalls {
  readonly #hasRoom: () => boolean;
  readonly #calls = new Set<Call>();

  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom;
  }

  add(call: Call): void {
    this.#calls.add(call);
  }

  /** The call is over. */
  drop(call: Call): void {
    this.#calls.delete(call);
  }

  /** Lets those work that may. */
  run(): void {
    for (const call of this.#calls) {
      if (!this.#hasRoom()) return;
      this.#calls.delete(call);
      call.work();
    }
  }
}
