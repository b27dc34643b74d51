/** The dashboards of `deploy/grafana` as Grafana will read them: from their files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './pages.ts';

interface GrafanaPanel {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** What a dashboard's file has, as far as tests look at it. */
export interface GrafanaDashboard {
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly panels: readonly GrafanaPanel[];
}

const folder = join(projectRoot, 'deploy/grafana');

/** File → its dashboard. */
export const dashboardFiles: ReadonlyMap<string, GrafanaDashboard> = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => [name, JSON.parse(readFileSync(join(folder, name), 'utf8'))]),
);

/** What Grafana puts in for the variables where everything is chosen and six hours are shown. */
export function filledIn(expr: string, range = '6h', interval = '1m'): string {
  return expr
    .replaceAll('$__rate_interval', interval)
    .replaceAll('$__range', range)
    .replaceAll(/"\$(job|namespace|pod)"/g, '".*"');
}

/** Every query of every dashboard, with where it stands. */
export const dashboardQueries = [...dashboardFiles].flatMap(([file, { panels }]) =>
  panels.flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({ file, title, expr, legendFormat })),
  ),
);
