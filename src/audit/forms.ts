/** The forms of what is called often, found by three strings, in a bounded amount of memory. */

/** Three strings → a form. When it is full it forgets everything: what is in use is made again at once. */
export class FormCache<T> {
  readonly #make: (first: string, second: string, third: string) => T;
  readonly #most: number;
  readonly #forms = new Map<string, Map<string, Map<string, T>>>();
  #size = 0;

  /** Holds at most `most` forms. */
  constructor(most: number, make: (first: string, second: string, third: string) => T) {
    this.#make = make;
    this.#most = most;
  }

  /** The form of these, made where it is not there. */
  get(first: string, second: string, third: string): T {
    return this.#forms.get(first)?.get(second)?.get(third) ?? this.#add(first, second, third);
  }

  #add(first: string, second: string, third: string): T {
    if (this.#size >= this.#most) {
      this.#forms.clear();
      this.#size = 0;
    }
    const form = this.#make(first, second, third);
    const seconds = inner(this.#forms, first);
    inner(seconds, second).set(third, form);
    this.#size += 1;
    return form;
  }
}

/** The map under `name`, made where it is not there. */
function inner<V>(outer: Map<string, Map<string, V>>, name: string): Map<string, V> {
  const found = outer.get(name);
  if (found !== undefined) return found;
  const made = new Map<string, V>();
  outer.set(name, made);
  return made;
}
