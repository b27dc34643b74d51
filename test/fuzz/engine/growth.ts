/** Whether memory grows: what is held after a collection, of every kind. Needs `--expose-gc`. */

export class Growth {
  readonly measures: number[] = [];

  /** What is held now, in kilobytes. */
  measure(): number {
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const held = Math.round((heapUsed + external) / 1024);
    this.measures.push(held);
    return held;
  }
}
