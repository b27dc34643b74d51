/** Reads the Prometheus text format, as far as the demo needs it: samples, and quantiles of histograms. */

/** One sample: a name, its labels, a value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Calls of one method with the distribution of their times. */
export interface Latencies {
  readonly calls: number;
  /** Upper bound of a bucket in seconds → calls of at most that time. */
  readonly buckets: ReadonlyMap<number, number>;
}

/** Samples of an exposition (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export function parseMetrics(text: string): Sample[] {
  return [...text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value]) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text])),
    value: Number(value),
  }));
}

/** Sum of the samples of a name whose labels have the given values. */
export function sum(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels);
  return samples
    .filter((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0);
}

/** The handling times of a method, whatever its calls' codes were, over all that `samples` holds. */
export function latenciesOf(samples: readonly Sample[], method: string): Latencies {
  const name = 'grpc_server_handling_seconds';
  const buckets = new Map<number, number>();
  for (const { name: sampled, labels, value } of samples) {
    if (sampled !== `${name}_bucket` || labels['grpc_method'] !== method) continue;
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return { calls: sum(samples, `${name}_count`, { grpc_method: method }), buckets };
}

/**
 * The time in seconds that a share of the calls stayed under, interpolated inside its bucket as PromQL's
 * histogram_quantile does. Beyond the last bound that bound is all there is to say.
 */
export function quantile({ calls, buckets }: Latencies, share: number): number {
  const rank = share * calls;
  let [lowerBound, below] = [0, 0];
  for (const [bound, upTo] of [...buckets].sort(([a], [b]) => a - b)) {
    if (upTo >= rank && upTo > below) {
      if (!Number.isFinite(bound)) return lowerBound;
      return lowerBound + (bound - lowerBound) * ((rank - below) / (upTo - below));
    }
    if (Number.isFinite(bound)) lowerBound = bound;
    below = upTo;
  }
  return lowerBound;
}
