/** The dashboards: as their source says, and asking for nothing that nobody exposes. */
import { describe, expect, it } from 'vitest';
import { dashboards } from '../../../deploy/grafana/generate.ts';
import { grafanaJson } from '../../../deploy/grafana/model.ts';
import { dashboardFiles, dashboardQueries, filledIn } from '../../support/dashboards.ts';
import { knownSeries, unknownIn } from '../../support/known-series.ts';
import { readPage } from '../../support/pages.ts';
import { readQuery } from '../../support/promql.ts';

describe('the files', () => {
  it('are those of the five dashboards', () => {
    const names = dashboards.map(({ name }) => `${name}.json`);
    expect([...dashboardFiles.keys()].toSorted()).toEqual(names.toSorted());
    expect(names).toHaveLength(5);
  });

  it.each(dashboards)('have $name as `npm run docs` writes it', (dashboard) => {
    expect(readPage(`deploy/grafana/${dashboard.name}.json`)).toBe(grafanaJson(dashboard));
  });
});

describe.each([...dashboardFiles])('%s', (_, { templating, panels }) => {
  it('lets whoever looks choose source, job, namespace and pod', () => {
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'namespace', 'pod']);
  });

  it('says of each panel what it shows and in which unit', () => {
    expect(panels.length).toBeGreaterThan(5);
    for (const { title, description, fieldConfig } of panels) {
      expect(description, title).toMatch(/^[\w$].+\.$/);
      expect(fieldConfig.defaults.unit, title).not.toBe('');
    }
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });

  it('puts no panel over another or over the edge', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_unused, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });
});

describe('the queries', () => {
  it.each(dashboardQueries)('of $file, "$title", ask for what is exposed: $expr', ({ expr }) => {
    expect(unknownIn(filledIn(expr))).toEqual([]);
  });

  it.each(dashboardQueries)('of $file, "$title", name series by labels that they have: $legendFormat', (query) => {
    const { selectors, grouping } = readQuery(filledIn(query.expr));
    const own = grouping.length > 0 ? grouping : selectors.flatMap(({ metric }) => knownSeries.get(metric) ?? []);
    const used = [...query.legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    expect(used.filter((label) => !own.includes(label))).toEqual([]);
  });

  it('of lines show how fast a counter moves, and not the counter, which falls when a daemon starts anew', () => {
    // Calls that began, without those that ended: both begin anew together.
    const isDifference = ({ title }: { title: string }) => title === 'Calls under way';
    const panels = dashboards.flatMap((dashboard) => dashboard.panels);
    const lines = panels.filter((panel) => panel.kind === 'lines' && !isDifference(panel));
    const counters = lines.flatMap(({ title, queries }) =>
      queries.filter(({ expr }) => expr.includes('_total{')).map(({ expr }) => ({ title, expr })),
    );
    expect(counters.length).toBeGreaterThan(5);
    expect(counters.filter(({ expr }) => !/\b(rate|increase)\(\w+_total\{/.test(expr))).toEqual([]);
  });

  it('count what happened in the time shown with the first time of each series', () => {
    const counts = dashboardQueries.filter(({ expr }) => /increase\(\w+_total\{/.test(expr));
    expect(counts.length).toBeGreaterThan(3);
    expect(counts.filter(({ expr }) => !/ unless \w+\{[^}]*\} offset \$__range\) or increase\(/.test(expr))).toEqual(
      [],
    );
  });

  it.each(['keyproxy.v1.KeyProxy', 'v2.KeyManagementService'])('show the calls of %s', (service) => {
    const shown = dashboardQueries.filter(({ expr }) => expr.includes(`grpc_service="${service}"`));
    expect(shown.some(({ expr }) => expr.includes('grpc_server_handled_total'))).toBe(true);
  });

  it('together show every metric of the daemon', () => {
    const shown = new Set(
      dashboardQueries.flatMap(({ expr }) => readQuery(filledIn(expr)).selectors.map(({ metric }) => metric)),
    );
    const missing = [...knownSeries.keys()].filter(
      (name) =>
        /^(keyproxy_|grpc_server_)/.test(name) && !/_(sum|count)$|^keyproxy_injector_/.test(name) && !shown.has(name),
    );
    expect(missing).toEqual([]);
  });
});
