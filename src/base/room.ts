/** Room for a number of connections, where a crowd that says nothing cannot keep out who comes to ask. */

/** A connection, as far as it matters here. */
export interface Guest {
  /** Ends it at once. */
  destroy(): unknown;
}

/**
 * Where there is no room, a newcomer takes the place of whoever has waited longest without having asked for anything;
 * only where all are being served, of the oldest of those.
 */
export class Room<T extends Guest> {
  readonly #most: number;
  /** In the order of their coming. */
  readonly #waiting = new Set<T>();
  readonly #served = new Set<T>();

  /** For at most so many at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** It has come, and has not asked. */
  enter(guest: T): void {
    if (this.#waiting.size + this.#served.size >= this.#most) {
      const [oldest] = this.#waiting.size > 0 ? this.#waiting : this.#served;
      if (oldest !== undefined) {
        this.leave(oldest);
        oldest.destroy();
      }
    }
    this.#waiting.add(guest);
  }

  /** It has asked, and is being served. One that is not here stays out. */
  serve(guest: T): void {
    if (this.#waiting.delete(guest)) this.#served.add(guest);
  }

  /** It has gone. */
  leave(guest: T): void {
    this.#waiting.delete(guest);
    this.#served.delete(guest);
  }

  /** All go, and are ended. */
  clear(): void {
    for (const guest of [...this.#waiting, ...this.#served]) guest.destroy();
    this.#waiting.clear();
    this.#served.clear();
  }
}
