/** What a panel of a dashboard is, without what Grafana wants beside it (`model.ts`). */

/** A query and how its series are named, with `{{label}}` for a label's value. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** What it shows, and what to think of it. */
  readonly description: string;
  /** A series over time, one number for now, or a row for each series. */
  readonly kind: 'lines' | 'number' | 'table';
  /** Of Grafana's units: https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts */
  readonly unit: 'short' | 'reqps' | 's' | 'ms' | 'percent' | 'percentunit' | 'dateTimeFromNow';
  /** From this value on it is worse, `falling` where it is worse below; none where nothing is good or bad. */
  readonly threshold?: { readonly at: number; readonly bad: 'above' | 'below' };
  readonly queries: readonly Query[];
}

export interface Dashboard {
  /** Name of its file, and, after `keyproxy-`, its id in Grafana. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
}

/** Series of the daemons that are chosen above the dashboard. */
export const chosen = 'job=~"$job", namespace=~"$namespace", pod=~"$pod"';

/** Recorded series of the jobs and namespaces that are chosen. */
export const recorded = 'job=~"$job", namespace=~"$namespace"';

/** Calls a second, or whatever a counter counts. */
export function rate(counter: string, by: string, matchers = ''): string {
  return `sum by (${by}) (rate(${counter}{${chosen}${matchers}}[$__rate_interval]))`;
}

/**
 * How often a counter moved in the time that is shown. `increase` does not see the value that a series begins with; of
 * one that was not there at the beginning, all is new.
 */
export function counted(counter: string, by: string, matchers = ''): string {
  const series = `${counter}{${chosen}${matchers}}`;
  return `sum by (${by}) ((${series} unless ${series} offset $__range) or increase(${series}[$__range])) > 0`;
}

/** Half and 99 of 100 observations are below these. */
export function quantiles(histogram: string, by: string, matchers = ''): Query[] {
  const buckets = `sum by (le, ${by}) (rate(${histogram}_bucket{${chosen}${matchers}}[$__rate_interval]))`;
  return ['0.5', '0.99'].map((q) => ({
    expr: `histogram_quantile(${q}, ${buckets})`,
    legend: `{{${by}}} p${Number(q) * 100}`,
  }));
}
