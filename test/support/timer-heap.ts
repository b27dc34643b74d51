/**
 * Timers in the order in which they fall due, those of one time in the order in which they were set: a binary heap. One
 * that is taken back stays in it, empty, until it comes up or until most are empty: no search, and no growth.
 */

/** One timer; without `run` it has been taken back or has fired. */
export interface HeapTimer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export class TimerHeap {
  #heap: HeapTimer[] = [];
  #set = 0;
  #live = 0;

  /** How many are set. */
  get size(): number {
    return this.#live;
  }

  /** Sets one for the time `at`. */
  add(at: number, run: () => void): HeapTimer {
    const timer: HeapTimer = { at, order: this.#set++, run };
    this.#live += 1;
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return timer;
  }

  /** Takes one back; does nothing where it has fired. */
  remove(timer: HeapTimer): void {
    if (timer.run === undefined) return;
    timer.run = undefined;
    this.#live -= 1;
    if (this.#heap.length < 64 || this.#live * 2 > this.#heap.length) return;
    // An array in order is a heap.
    this.#heap = this.#heap.filter(({ run }) => run !== undefined).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  /** Takes out the first that falls due by `end`, or undefined where none does. */
  take(end: number): { readonly at: number; readonly run: () => void } | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.at <= end; first = this.#heap[0]) {
      this.#removeFirst();
      const { at, run } = first;
      if (run === undefined) continue;
      first.run = undefined;
      this.#live -= 1;
      return { at, run };
    }
    return undefined;
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(index: number): void {
    for (let at = index; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  #sink(index: number): void {
    for (let at = index; ; ) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1;
      if (!this.#swapIfBefore(child, at)) return;
      at = child;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [lower, upper] = [this.#heap[child], this.#heap[parent]];
    if (lower === undefined || upper === undefined || !isBefore(lower, upper)) return false;
    this.#heap[child] = upper;
    this.#heap[parent] = lower;
    return true;
  }
}

function isBefore(a: HeapTimer, b: HeapTimer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
