/** Every series that a query may name: what the code exposes, what rules record, and what Prometheus adds. */
import { type Described, describedMetrics } from '../../docs/generate.ts';
import { readPage } from './pages.ts';
import { readQuery } from './promql.ts';
import { recordings } from './rule-files.ts';

/** What the scrape adds to each series; a pod's are absent outside Kubernetes. */
const targetLabels = ['job', 'namespace', 'pod', 'instance'];

/** The suffixes of what a metric exposes, with the labels that they add. */
function seriesOf({ name, type, labels }: Pick<Described, 'name' | 'type' | 'labels'>): [string, readonly string[]][] {
  const own = [...targetLabels, ...labels];
  if (type !== 'histogram') return [[name, own]];
  return [
    [`${name}_bucket`, [...own, 'le']],
    [`${name}_sum`, own],
    [`${name}_count`, own],
  ];
}

const { served, injecting, plugged } = describedMetrics();

/** Name → labels. */
export const knownSeries: ReadonlyMap<string, readonly string[]> = new Map([
  ...[...served, ...injecting, ...plugged].flatMap(seriesOf),
  ...recordings.map(({ record, expr }): [string, readonly string[]] => [record, readQuery(expr).grouping]),
  ['up', targetLabels],
]);

/** Everything that a query names and nobody exposes: series, labels, and values of labels. */
export function unknownIn(query: string): string[] {
  const { selectors, grouping } = readQuery(query);
  const labels = new Set(selectors.flatMap(({ metric }) => knownSeries.get(metric) ?? []));
  return [
    ...selectors.flatMap(({ metric, matchers }) => {
      const own = knownSeries.get(metric);
      if (own === undefined) return [`no metric ${metric}`];
      return matchers.flatMap(({ label, value }) => {
        if (!own.includes(label)) return [`${metric} has no label ${label}`];
        return unknownValues(metric, label, value).map((one) => `${label} of ${metric} is never ${one}`);
      });
    }),
    ...grouping.filter((label) => !labels.has(label)).map((label) => `nothing has the label ${label}`),
  ];
}

/** Labels with values that the pages list; others hold names of tenants and the like. */
const enumerated = ['outcome', 'result', 'source', 'state', 'grpc_code', 'operation', 'provider', 'identity'];

function unknownValues(metric: string, label: string, value: string): string[] {
  if (!enumerated.includes(label) || value.startsWith('$')) return [];
  const page = label === 'grpc_code' ? readPage('docs/errors.md') : rowOf(metric, label);
  return value.split('|').filter((one) => one !== 'OK' && !page.includes(`\`${one}\``));
}

/** The row of docs/metrics.md that lists a label's values. */
function rowOf(metric: string, label: string): string {
  const rows = readPage('docs/metrics.md').split('\n');
  const base = metric.replace(/_(bucket|sum|count)$/, '');
  const row = rows.find((each) => each.startsWith(`| \`${label}\` of \`${base}\` |`));
  return row ?? rows.find((each) => each.startsWith(`| \`${label}\` |`)) ?? '';
}
