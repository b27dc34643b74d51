/** What `/metrics` says, for tests to compare with what they did. */

/** Sums of a metric's samples, as they were read at one moment. */
export interface Metrics {
  /** The sum of all samples of `name` that carry these labels; 0 where there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

/** Reads the metrics of the daemon whose HTTP endpoint is `http`. */
export async function readMetrics(http: string): Promise<Metrics> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const samples = text
    .split('\n')
    .map((line) => /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter((match) => match !== null);
  return {
    sum(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return samples
        .filter(([, found, pairs = '']) => found === name && wanted.every((pair) => `,${pairs}`.includes(`,${pair}`)))
        .reduce((sum, [, , , value]) => sum + Number(value), 0);
    },
  };
}
