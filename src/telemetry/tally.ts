/**
 * Counters for what happens at every call. prom-client checks and hashes a counter's labels at each increment; a tally
 * is one addition, and the sum goes into the counter when somebody asks for it.
 */
import { Counter, type CounterConfiguration } from 'prom-client';

/** One counter with its labels fixed. */
export interface Tally {
  inc(): void;
}

class Sum<L extends string> implements Tally {
  readonly labels: Readonly<Partial<Record<L, string>>>;
  #pending = 0;

  constructor(labels: Readonly<Partial<Record<L, string>>>) {
    this.labels = labels;
  }

  inc(): void {
    this.#pending += 1;
  }

  /** What came since the last time. */
  take(): number {
    const pending = this.#pending;
    this.#pending = 0;
    return pending;
  }
}

/** A counter of prom-client whose children are tallies. */
export class TallyCounter<L extends string> extends Counter<L> {
  readonly #sums: Sum<L>[];

  constructor(configuration: Omit<CounterConfiguration<L>, 'collect'>) {
    const sums: Sum<L>[] = [];
    super({
      ...configuration,
      collect() {
        for (const sum of sums) {
          const pending = sum.take();
          if (pending > 0) this.inc(sum.labels, pending);
        }
      },
    });
    this.#sums = sums;
  }

  /** A tally with these labels; it shows from its first event on. Ask once for each and keep it. */
  tally(labels: Readonly<Partial<Record<L, string>>>): Tally {
    const sum = new Sum<L>(labels);
    this.#sums.push(sum);
    return sum;
  }
}
