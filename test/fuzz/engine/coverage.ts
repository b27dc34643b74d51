/** What executions have shown so far: for each slot of the map, which magnitudes its count has had. */
import { branchSlots, map } from './map.ts';

/** The magnitude of a count, one bit each: 1, 2, 3, 4 to 7, to 15, to 31, to 127, and above. */
const magnitudes = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count === 0) return 0;
  const limits = [1, 2, 3, 7, 15, 31, 127, 255];
  return 1 << limits.findIndex((limit) => count <= limit);
});

const words = new Uint32Array(map.buffer);

export class Coverage {
  readonly #seen = new Uint8Array(map.length);
  readonly #isCoarse: boolean;

  /** Coarse: of a count no more counts than whether it is one, or more. */
  constructor({ isCoarse }: { readonly isCoarse: boolean }) {
    this.#isCoarse = isCoarse;
  }

  /** Forgets the traces of the execution before. */
  begin(): void {
    map.fill(0);
  }

  /** Takes the traces over; returns whether any is new. */
  takeNew(): boolean {
    let isNew = false;
    for (let word = 0; word < words.length; word++) {
      if (words[word] === 0) continue;
      for (let slot = word * 4; slot < word * 4 + 4; slot++) {
        const count = map[slot] ?? 0;
        const magnitude = this.#isCoarse ? Math.min(count, 2) : (magnitudes[count] ?? 0);
        const seen = this.#seen[slot] ?? 0;
        if ((magnitude & ~seen) === 0) continue;
        this.#seen[slot] = seen | magnitude;
        isNew = true;
      }
    }
    return isNew;
  }

  /** The slots of branches that were met. */
  get branches(): number[] {
    return [...this.#seen.subarray(0, branchSlots).keys()].filter((slot) => this.#seen[slot] !== 0);
  }

  /** How many pairs of slot and magnitude were met. */
  get size(): number {
    return this.#seen.reduce((sum, bits) => sum + bitsIn(bits), 0);
  }
}

function bitsIn(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
