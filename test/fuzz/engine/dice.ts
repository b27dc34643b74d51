/** Chance for mutations: whole numbers, and the same ones again for the same seed. */
import { seededRandom } from '../../support/seeded-random.ts';

export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** True once in `count` times. */
  once(count: number): boolean {
    return this.#random() * count < 1;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0];
  }

  /** Small numbers more often than large ones, below `limit`. */
  small(limit: number): number {
    return this.below(1 + this.below(limit));
  }
}
