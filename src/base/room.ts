/** Room for a number of connections, where a crowd that says nothing cannot keep out who comes to ask. */

/** A connection, as far as it matters here. */
export interface Guest {
  /** Ends it at once. */
  destroy(): unknown;
}

/**
 * Where there is no room, a newcomer takes the place of somebody else: of whoever has had their answer longest and has
 * not gone, else of whoever has been here longest without having asked, and only then of who is being served.
 */
export class Room<T extends Guest> {
  readonly #most: number;
  /** Each in the order of their coming there. */
  readonly #answered = new Set<T>();
  readonly #waiting = new Set<T>();
  readonly #served = new Set<T>();

  /** For at most so many at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** It has come, and has not asked. */
  enter(guest: T): void {
    const places = [this.#answered, this.#waiting, this.#served];
    if (places.reduce((sum, { size }) => sum + size, 0) >= this.#most) {
      const [oldest] = places.find(({ size }) => size > 0) ?? [];
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

  /** It has its answer. One that is not here stays out. */
  answer(guest: T): void {
    if (this.#served.delete(guest)) this.#answered.add(guest);
  }

  /** It has gone. */
  leave(guest: T): void {
    this.#answered.delete(guest);
    this.#waiting.delete(guest);
    this.#served.delete(guest);
  }

  /** All go, and are ended. */
  clear(): void {
    for (const place of [this.#answered, this.#waiting, this.#served]) {
      for (const guest of place) guest.destroy();
      place.clear();
    }
  }
}
