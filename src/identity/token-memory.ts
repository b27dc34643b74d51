/** What was found about tokens, for as long as it holds: bounded, and the least recently used goes first. */

interface Entry<T> {
  readonly value: T;
  readonly untilMs: number;
}

/** Values by name, each with its end. */
export class TokenMemory<T> {
  readonly #most: number;
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry<T>>();

  /** Holds at most `most` values. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many values are held, those that are over and were not asked for included. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value, unless it is over at `nowMs`. */
  get(name: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    if (nowMs >= entry.untilMs) return undefined;
    this.#entries.set(name, entry);
    return entry.value;
  }

  /** Holds the value until `untilMs`, by the same clock as `get`. */
  set(name: string, value: T, untilMs: number): void {
    this.#entries.delete(name);
    this.#entries.set(name, { value, untilMs });
    if (this.#entries.size <= this.#most) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}
