/**
 * Single flight for leases: N concurrent misses on one key are one piece of work, and each waiter gets a lease of
 * its own. A waiter who gives up leaves the flight to the others. A flight is forgotten the moment it ends, so its
 * failure reaches those who waited for it and no later caller.
 */
import type { Lease } from './lease.ts';

interface Waiter<T extends Disposable> {
  readonly give: (lease: Lease<T>) => void;
  readonly fail: (error: unknown) => void;
}

/** Flights under way, by key. */
export interface Flights<T extends Disposable> {
  /** Tells whether a flight for `key` is under way. */
  has(key: string): boolean;
  /**
   * Joins the flight of `key`, or starts one with `work`. Resolves with a lease that the caller disposes of;
   * rejects with the flight's error, or with the signal's reason when the caller gives up first.
   */
  join(key: string, work: () => Promise<Lease<T>>, signal: AbortSignal): Promise<Lease<T>>;
}

export class LeaseFlights<T extends Disposable> implements Flights<T> {
  readonly #flights = new Map<string, Set<Waiter<T>>>();

  has(key: string): boolean {
    return this.#flights.has(key);
  }

  join(key: string, work: () => Promise<Lease<T>>, signal: AbortSignal): Promise<Lease<T>> {
    return new Promise((done, fail) => {
      if (signal.aborted) {
        fail(signal.reason);
        return;
      }
      const current = this.#flights.get(key);
      const waiters = current ?? new Set<Waiter<T>>();
      const giveUp = () => {
        waiters.delete(waiter);
        fail(signal.reason);
      };
      const waiter: Waiter<T> = {
        give(lease) {
          signal.removeEventListener('abort', giveUp);
          done(lease);
        },
        fail(error) {
          signal.removeEventListener('abort', giveUp);
          fail(error);
        },
      };
      waiters.add(waiter);
      signal.addEventListener('abort', giveUp, { once: true });
      if (current !== undefined) return;
      this.#flights.set(key, waiters);
      void this.#fly(key, waiters, work);
    });
  }

  async #fly(key: string, waiters: Set<Waiter<T>>, work: () => Promise<Lease<T>>): Promise<void> {
    try {
      using lease = await work();
      this.#flights.delete(key);
      for (const waiter of waiters) waiter.give(lease.share());
    } catch (error) {
      this.#flights.delete(key);
      for (const waiter of waiters) waiter.fail(error);
    }
  }
}
