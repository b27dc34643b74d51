/** Things that several keys use together: opened for the first, closed after the last. */

/** In use until it is disposed of; disposing of it again does nothing. */
export interface Lease<T> extends Disposable {
  readonly value: T;
}

interface Entry<T> {
  readonly value: T;
  readonly close: () => void;
  users: number;
}

/** Things by name. Disposing of it closes all of them, leased or not. */
export class Shared<T> implements Disposable {
  readonly #entries = new Map<string, Entry<T>>();

  /** The thing of this name, which `open` makes where nobody has it, together with how it is closed. */
  lease(name: string, open: () => { readonly value: T; readonly close: () => void }): Lease<T> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { ...open(), users: 0 };
      this.#entries.set(name, entry);
    }
    entry.users++;
    return this.#leaseOf(name, entry);
  }

  /** What is in use now. */
  values(): T[] {
    return [...this.#entries.values()].map((entry) => entry.value);
  }

  [Symbol.dispose](): void {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) entry.close();
  }

  #leaseOf(name: string, entry: Entry<T>): Lease<T> {
    let released = false;
    return {
      value: entry.value,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        entry.users--;
        if (entry.users > 0 || this.#entries.get(name) !== entry) return;
        this.#entries.delete(name);
        entry.close();
      },
    };
  }
}
