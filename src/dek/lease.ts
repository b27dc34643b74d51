/**
 * Leases: many users of one secret, wiped when the last of them lets go. A cache that drops a key while a request
 * works with it only lets go of its own lease.
 */

interface Shared<T extends Disposable> {
  readonly value: T;
  users: number;
}

/** The right to use `value` until this lease is disposed of. Dispose of every lease exactly once, by `using`. */
export class Lease<T extends Disposable> implements Disposable {
  #shared: Shared<T> | undefined;

  private constructor(shared: Shared<T>) {
    this.#shared = shared;
    shared.users += 1;
  }

  /** Takes over `value`: it is disposed of with the last lease. */
  static own<T extends Disposable>(value: T): Lease<T> {
    return new Lease({ value, users: 0 });
  }

  /** The value; throws once this lease is disposed of. */
  get value(): T {
    return this.#held().value;
  }

  /** One more lease of the same value, with a life of its own. */
  share(): Lease<T> {
    return new Lease(this.#held());
  }

  #held(): Shared<T> {
    if (this.#shared === undefined) throw new Error('a lease was used after it had been let go');
    return this.#shared;
  }

  /** Lets go; further calls do nothing. */
  [Symbol.dispose](): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    this.#shared = undefined;
    shared.users -= 1;
    if (shared.users === 0) shared.value[Symbol.dispose]();
  }
}
