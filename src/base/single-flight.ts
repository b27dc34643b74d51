/**
 * Single flight: callers that ask for the same thing at the same time share one answer.
 *
 * The work of a flight belongs to nobody: a caller who gives up leaves it running for the others. A flight is
 * forgotten the moment it ends, so a failure is shared by those who waited for it and by no later caller.
 */

export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** How many flights are under way. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Joins the flight of `key`, or starts one with `work`. `onJoin` is told which of the two it was.
   * Rejects with the signal's reason when the caller gives up first.
   */
  do(key: string, work: () => Promise<T>, options: { signal?: AbortSignal; onJoin?: () => void } = {}): Promise<T> {
    const current = this.#flights.get(key);
    if (current !== undefined) {
      options.onJoin?.();
      return untilAborted(current, options.signal);
    }
    const flight = work().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return untilAborted(flight, options.signal);
  }
}

/** Waits for `promise`, but no longer than until `signal` is aborted; then rejects with the signal's reason. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((done, fail) => {
    const abort = () => fail(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(done, fail).finally(() => signal.removeEventListener('abort', abort));
  });
}
