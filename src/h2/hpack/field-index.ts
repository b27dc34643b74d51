/** Finds fields of a table by name and value: what an encoder needs and a decoder does not. */
import type { HeaderField } from './field.ts';

/** What a table holds under one name. */
export interface NamedFields {
  /** The number of the field that was added last. */
  readonly newest: number;
  /** The number of each field, by its value. */
  readonly numbers: ReadonlyMap<string, number>;
}

interface Entry extends NamedFields {
  newest: number;
  readonly numbers: Map<string, number>;
}

/**
 * Fields by name, and under each name by value. No field may be in it twice, and of those with the same name the oldest
 * has to leave first: `newest` is then in it as long as any of them.
 */
export class FieldIndex {
  readonly #byName = new Map<string, Entry>();

  /** What is there under `name`, if anything. */
  named(name: string): NamedFields | undefined {
    return this.#byName.get(name);
  }

  /** Adds a field under a number of the caller's. */
  add({ name, value }: HeaderField, number: number): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) {
      this.#byName.set(name, { newest: number, numbers: new Map([[value, number]]) });
      return;
    }
    entry.newest = number;
    entry.numbers.set(value, number);
  }

  /** Takes a field out; nothing where it is not in. */
  remove({ name, value }: HeaderField): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) return;
    entry.numbers.delete(value);
    if (entry.numbers.size === 0) this.#byName.delete(name);
  }
}
