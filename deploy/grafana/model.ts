/** A dashboard as Grafana imports it: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
import type { Dashboard, Panel } from './panel.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own way to write its variable.
const datasource = { type: 'prometheus', uid: '${datasource}' };

/** Grafana's name of each kind, and its size; a row is 24 wide. */
const kinds = {
  lines: { type: 'timeseries', w: 12, h: 8 },
  number: { type: 'stat', w: 12, h: 4 },
  table: { type: 'table', w: 12, h: 8 },
} as const;

/** A choice above the dashboard, with the values that `label` has there. All: everything, also where the label is missing. */
function choice(label: 'job' | 'namespace' | 'pod', within: string): object {
  const query = `label_values(keyproxy_dek_cache_entries${within}, ${label})`;
  return {
    ...{ name: label, label, type: 'query', datasource, query: { query, refId: label }, definition: query },
    ...{
      multi: true,
      includeAll: true,
      allValue: '.*',
      current: { text: 'All', value: '$__all' },
      refresh: 2,
      sort: 1,
    },
  };
}

function panel(
  { kind, title, description, unit, threshold, queries }: Panel,
  id: number,
  at: { x: number; y: number },
) {
  const { type, w, h } = kinds[kind];
  const [before, after] = threshold?.bad === 'below' ? ['red', 'green'] : ['green', 'red'];
  const steps = threshold
    ? [
        { color: before, value: null },
        { color: after, value: threshold.at },
      ]
    : [{ color: 'text', value: null }];
  return {
    ...{ id, type, title, description, datasource, gridPos: { ...at, w, h } },
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: 'absolute', steps },
        ...(kind === 'lines' && {
          custom: { fillOpacity: 10, showPoints: 'never', thresholdsStyle: { mode: threshold ? 'line' : 'off' } },
        }),
      },
      overrides: [],
    },
    options:
      kind === 'lines'
        ? {
            legend: { displayMode: 'table', placement: 'right', calcs: ['lastNotNull', 'max'] },
            tooltip: { mode: 'multi' },
          }
        : {},
    targets: queries.map(({ expr, legend }, index) => ({
      ...{ refId: String.fromCharCode('A'.charCodeAt(0) + index), datasource, expr, legendFormat: legend },
      ...(kind === 'table'
        ? { instant: true, format: 'table' }
        : { instant: kind === 'number', range: kind === 'lines' }),
    })),
  };
}

/** The file's content. */
export function grafanaJson({ name, title, description, panels }: Dashboard): string {
  const at = { x: 0, y: 0 };
  const placed = panels.map((each, index) => {
    const { w, h } = kinds[each.kind];
    const here = { ...at };
    at.x = (at.x + w) % 24;
    // Two panels of one kind share a row; another kind begins a new one.
    if (at.x === 0 || (panels[index + 1] && kinds[panels[index + 1]?.kind ?? 'lines'].h !== h)) {
      at.x = 0;
      at.y += h;
    }
    return panel(each, index + 1, here);
  });
  const model = {
    ...{
      uid: `keyproxy-${name}`,
      title,
      description,
      tags: ['keyproxy'],
      schemaVersion: 39,
      version: 1,
      editable: true,
    },
    ...{ timezone: 'browser', refresh: '30s', time: { from: 'now-6h', to: 'now' }, graphTooltip: 1 },
    templating: {
      list: [
        { name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus' },
        choice('job', ''),
        choice('namespace', '{job=~"$job"}'),
        choice('pod', '{job=~"$job", namespace=~"$namespace"}'),
      ],
    },
    links: [
      {
        type: 'dashboards',
        tags: ['keyproxy'],
        title: 'keyproxy',
        asDropdown: true,
        includeVars: true,
        keepTime: true,
      },
    ],
    panels: placed,
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
}
