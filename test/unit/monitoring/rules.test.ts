/** Rules and their runbook agree with each other, with the code, and with what the platform asks for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { unknownIn } from '../../support/known-series.ts';
import { projectRoot, readPage } from '../../support/pages.ts';
import { readQuery } from '../../support/promql.ts';
import { alerts, recordings, ruleFiles } from '../../support/rule-files.ts';

/** The platform's monitors: its name for each → its figure, threshold, window and severity. */
const monitors = {
  'KMS Connectivity': ['kms_api_success_rate', '< 99.9', '5m', 'critical'],
  'DEK Generation Latency': ['dek_generation_p99', '> 1000', '10m', 'warning'],
  'Key Cache Hit Rate': ['key_cache_hit_ratio', '< 0.8', '1h', 'info'],
  'Failed Decryption Attempts': ['decrypt_failures_rate', '> 0.001', '5m', 'critical'],
} as const;

describe('the rules', () => {
  it('are there to be checked', () => {
    expect(alerts.length).toBeGreaterThan(20);
    expect(recordings.length).toBeGreaterThan(10);
  });

  it.each([...recordings.map(({ record, expr }) => [record, expr]), ...alerts.map(({ alert, expr }) => [alert, expr])])(
    '%s asks for nothing but what is exposed, with its labels and their values',
    (_, expr = '') => {
      expect(unknownIn(expr)).toEqual([]);
    },
  );

  it.each(Object.entries(monitors))(
    'have %s as the platform asks for it',
    (monitor, [record, threshold, window, severity]) => {
      const alert = alerts.find(({ annotations }) => annotations['monitor'] === monitor);
      expect(alert).toMatchObject({ expr: `${record} ${threshold}`, labels: { severity } });
      expect(alert).not.toHaveProperty('for');
      const recording = recordings.find((each) => each.record === record);
      expect(new Set(recording?.expr.match(/\[\w+\]/g))).toEqual(new Set([`[${window}]`]));
    },
  );

  it.each(alerts)('say of $alert how bad it is, what it is, and what to do', ({ alert, labels, annotations }) => {
    expect(labels['severity']).toMatch(/^(critical|warning|info)$/);
    expect(alert).toMatch(/^Keyproxy[A-Z]\w+$/);
    expect(annotations['summary']).toMatch(/^\w.*[^.]$/);
    expect(annotations['description']).toMatch(/\.$/);
    expect(annotations['runbook_url']).toBe(`docs/operations.md#${alert.toLowerCase()}`);
  });

  it.each(alerts)('fill in for $alert only labels that it has', ({ expr, labels, annotations }) => {
    const { selectors, grouping } = readQuery(expr);
    const recorded = recordings.find(({ record }) => record === selectors[0]?.metric);
    const own = new Set([...grouping, ...(recorded ? readQuery(recorded.expr).grouping : []), ...Object.keys(labels)]);
    // Without an aggregation every label of the metric stays.
    if (own.size === Object.keys(labels).length)
      for (const label of ['job', 'namespace', 'pod', 'instance', 'provider']) own.add(label);
    const used = Object.values(annotations).flatMap((text) =>
      [...text.matchAll(/\$labels\.(\w+)/g)].map(([, name]) => name),
    );
    expect(used.filter((name) => name !== undefined && !own.has(name))).toEqual([]);
  });
});

describe('the tests of the rules', () => {
  interface RuleTests {
    readonly tests: readonly {
      readonly name: string;
      readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
      readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
    }[];
  }
  const tests = ruleFiles.flatMap((name) => {
    const file: RuleTests = parse(readFileSync(join(projectRoot, 'test/third-party/prometheus', name), 'utf8'));
    return file.tests;
  });

  /** How many alerts each test whose name begins so expects. */
  function expected(alert: string, beginning: string): number[] {
    return tests
      .filter(({ name }) => name.startsWith(`${alert} ${beginning}`))
      .flatMap(({ promql_expr_test: queries = [], alert_rule_test: asked = [] }) => [
        ...queries.filter(({ expr }) => expr.includes(`"${alert}"`)).map(({ exp_samples: samples }) => samples.length),
        ...asked.filter(({ alertname }) => alertname === alert).map(({ exp_alerts: found }) => found.length),
      ]);
  }

  it.each([...new Set(alerts.map(({ alert }) => alert))])('let %s fire, and not fire', (alert) => {
    const [fires, calm] = [expected(alert, 'fires'), expected(alert, 'does not fire')];
    expect(fires.length).toBeGreaterThan(0);
    expect(Math.min(...fires)).toBeGreaterThan(0);
    expect(calm.length).toBeGreaterThan(0);
    expect(Math.max(...calm)).toBe(0);
  });

  it.each(recordings)('have a value of $record', ({ record }) => {
    const asked = tests.flatMap(({ promql_expr_test: queries = [] }) => queries);
    const own = asked.filter(({ expr, exp_samples: samples }) => expr.split('{')[0] === record && samples.length > 0);
    expect(own.length).toBeGreaterThan(0);
  });
});

describe('the runbook', () => {
  const section = readPage('docs/operations.md').split('\n## Alerts\n')[1]?.split('\n## ')[0] ?? '';

  it('has a section for every alert, and no other', () => {
    const headings = [...section.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect(headings.toSorted()).toEqual([...new Set(alerts.map(({ alert }) => alert))].toSorted());
  });

  it("says of every alert what it means, where to look, what to do, and when it is not the operator's doing", () => {
    const bodies = section.split(/^### /m).slice(1);
    const wanted = ['**Means.**', '**Look at.**', '**Do.**', '**Not yours when.**'];
    const short = bodies
      .filter((body) => !wanted.every((part) => body.includes(part)))
      .map((body) => body.split('\n')[0]);
    expect(short).toEqual([]);
  });
});
