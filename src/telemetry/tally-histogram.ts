/**
 * A histogram for what happens at every call: an observation is one addition in an array, and the buckets are written
 * out when somebody asks for them. prom-client's own validates and hashes at each observation.
 */
import {
  Histogram,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricValueWithName,
} from 'prom-client';

/** The observations of one set of labels. */
export interface Observations {
  /** Counts a value, in the histogram's unit. */
  observe(value: number): void;
}

type Labels<L extends string> = Partial<Record<L, string | number>>;

class Buckets<L extends string> implements Observations {
  readonly #bounds: readonly number[];
  readonly #labels: Labels<L>;
  /** Per bound, and one more for what lies above the last. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[], labels: Labels<L>) {
    this.#bounds = bounds;
    this.#labels = labels;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /** In the text format's way: each bucket counts what is in those below it (OpenMetrics, "Histogram"). */
  values(name: string): MetricValueWithName<L>[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, index) => {
      count += this.#counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le, ...this.#labels }, value: count };
    });
    const { ...labels } = this.#labels;
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** A histogram of prom-client whose children are asked for once and kept. */
export class TallyHistogram<L extends string> extends Histogram<L> {
  readonly #configuration: HistogramConfiguration<L> & { readonly buckets: number[] };
  readonly #all: Buckets<L>[] = [];
  /** Tells all of a histogram that is not its values. */
  readonly #plain: Histogram<L>;

  constructor(configuration: HistogramConfiguration<L> & { readonly buckets: number[] }) {
    super(configuration);
    this.#configuration = configuration;
    this.#plain = new Histogram({ ...configuration, registers: [] });
  }

  /** Observations with these labels; they show from now on. */
  tally(labels: Labels<L>): Observations {
    const buckets = new Buckets<L>(this.#configuration.buckets, labels);
    this.#all.push(buckets);
    return buckets;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<L>>> {
    const values = this.#all.flatMap((buckets) => buckets.values(this.#configuration.name));
    return { ...(await this.#plain.get()), values };
  }

  /** What the registry asks for when it writes text. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<L>>> {
    return this.get();
  }
}
