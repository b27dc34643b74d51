/**
 * The figures that Prometheus shows, beside those that a client counted: real Prometheus, real daemons, and the rules as
 * their files have them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { dashboardQueries, filledIn } from '../support/dashboards.ts';
import { recordings } from '../support/rule-files.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { aScrape, type LoadScene, loadScene, play, slow } from './prometheus-load.ts';
import { type Prometheus, startPrometheus } from './prometheus-server.ts';
import { quantile, Truth } from './prometheus-truth.ts';
import { folderOf } from './ready.ts';

const folder = folderOf('prometheus');
const setUpMs = 180_000;
const seconds = 45;

/**
 * Of a thousand data keys 950 take 200 ms, and 50 from four to five seconds in equal steps: inside its bucket the p99 lies as
 * quantiles are read from buckets, evenly, and what two busy cores add to a call is little beside it. How well other
 * latencies are read is in test/unit/telemetry/quantile-accuracy.test.ts.
 */
const latencies = shuffled(Array.from({ length: 1000 }, (_, i) => (i < 950 ? 200 : 4000 + 20 * (i - 950))));

function shuffled(values: readonly number[]): number[] {
  const random = seededRandom(7);
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

/** Percent of the calls at the simulator that had an answer; refusals are answers. */
function answeredPercent({ calls }: AwsSimulator): number {
  const asked = calls.filter(({ service }) => service === 'kms');
  const refusals = ['DisabledException'];
  const answered = asked.filter(({ outcome }) => outcome === 'ok' || refusals.includes(outcome));
  return (100 * answered.length) / asked.length;
}

/** Queries of dashboards that show nothing here, each with what would have to happen. */
const mayBeEmpty: Readonly<Record<string, string>> = {
  'Replicas in use': 'a tenant with a replica, whose first key is silent',
  'Credentials end': "credentials that end; the platform's own here do not",
  'Trace spans': 'tracing',
  'KMS plugins': 'a KMS plugin, which is a process of its own',
  'Calls of kube-apiserver': 'the same',
  Reloads: 'a tenant file that changes while the daemon runs',
  'Silent keys': 'five calls in a row without an answer',
};

interface Row {
  readonly figure: string;
  readonly prometheus: number;
  readonly truth: number;
}

function difference({ prometheus, truth }: Row): number {
  return Math.abs(prometheus / truth - 1);
}

function tableOf(rows: readonly Row[]): string {
  return [
    '| figure | Prometheus | client | difference |',
    '| --- | --- | --- | --- |',
    ...rows.map((row) => {
      const cells = [`\`${row.figure}\``, row.prometheus.toFixed(5), row.truth.toFixed(5)];
      return `| ${[...cells, `${(100 * difference(row)).toFixed(2)} %`].join(' | ')} |`;
    }),
  ].join('\n');
}

describe.skipIf(folder === undefined)('Prometheus', () => {
  const stack = new AsyncDisposableStack();
  const truth = new Truth();
  let prometheus: Prometheus;
  let scene: LoadScene;

  beforeAll(async () => {
    scene = stack.use(await loadScene(stack.use(await startAwsSimulator())));
    prometheus = stack.use(
      await startPrometheus(folder ?? '', [{ job: 'keyproxy', address: new URL(scene.daemon.http).host }]),
    );
    await play(scene, truth, seconds);
    // By themselves: this process is client and key service at once, and would add its own waits to the time of a call.
    await slow(scene, truth, latencies);
    await aScrape();
    await aScrape();
  }, setUpMs);
  afterAll(() => stack.disposeAsync());

  /** The one value that a rule has, by its expression as it stands in the file. */
  async function figure(record: string): Promise<number> {
    const { expr } = recordings.find((rule) => rule.record === record) ?? { expr: 'absent(no_such_rule)' };
    const [sample, ...others] = await prometheus.query(expr);
    if (sample === undefined || others.length > 0) throw new Error(`${record} has not one value`);
    return sample.value;
  }

  it('shows the four figures of the platform within 1 % of what the client counted', async () => {
    const truths = {
      kms_api_success_rate: answeredPercent(scene.aws),
      dek_generation_p99: quantile(0.99, truth.dekMs),
      key_cache_hit_ratio: truth.cache.served / truth.cache.all,
      decrypt_failures_rate: truth.decryptions.failed / truth.decryptions.all,
    };
    // What began inside the window is extrapolated by the moment that is asked about: one of twenty seconds has to do.
    let rows: Row[] = [];
    for (let tries = 0; tries < 20 && !(rows.length > 0 && rows.every((row) => difference(row) < 0.01)); tries++) {
      if (tries > 0) await new Promise((done) => setTimeout(done, 1000));
      rows = [];
      for (const [name, value] of Object.entries(truths)) {
        rows.push({ figure: name, prometheus: await figure(name), truth: value });
      }
    }
    const calls = scene.aws.calls.filter(({ service }) => service === 'kms');
    process.stdout.write(
      `${tableOf(rows)}\n\nOf ${calls.length} calls to the key service, ${truth.dekMs.length} data keys, ` +
        `${truth.cache.all} keys asked of the cache and ${truth.decryptions.all} decryptions, of which ` +
        `${truth.decryptions.failed} failed.\n`,
    );
    for (const row of rows) expect.soft(difference(row), row.figure).toBeLessThan(0.01);
    // Without trouble the figures would agree by chance.
    expect(truths.kms_api_success_rate).toBeLessThan(99);
    expect(truths.decrypt_failures_rate).toBeGreaterThan(0.01);
    expect(truths.key_cache_hit_ratio).toBeLessThan(0.97);
    expect(calls.some(({ outcome }) => outcome === 'DisabledException')).toBe(true);
  });

  it('evaluates every rule without an error, and fills in every annotation', async () => {
    const rules = await prometheus.rules();
    expect(rules.length).toBeGreaterThan(30);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const firing = rules.filter(({ alerts = [] }) => alerts.length > 0);
    expect(firing.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...['KeyproxyKmsConnectivity', 'KeyproxyDekGenerationLatency', 'KeyproxyFailedDecryptionAttempts'],
        ...['KeyproxyErrorBudgetBurn', 'KeyproxyTenantRefused'],
      ]),
    );
    const texts = firing.flatMap(({ alerts = [] }) => alerts.flatMap(({ annotations }) => Object.values(annotations)));
    expect(texts.filter((text) => /error expanding|no value|%!/.test(text))).toEqual([]);
  });

  it.each([...new Set(dashboardQueries.map(({ file }) => file))])('answers every query of %s', async (file) => {
    const empty: string[] = [];
    for (const { title, expr } of dashboardQueries.filter((query) => query.file === file)) {
      const samples = await prometheus.query(filledIn(expr, '10m'));
      if (samples.length === 0 || samples.every(({ value }) => Number.isNaN(value))) empty.push(title);
    }
    expect(empty.filter((title) => !Object.hasOwn(mayBeEmpty, title))).toEqual([]);
  });

  it('shows no more than one panel in six empty', async () => {
    const titles = new Set(dashboardQueries.map(({ title }) => title));
    expect(Object.keys(mayBeEmpty).filter((title) => !titles.has(title))).toEqual([]);
    expect(Object.keys(mayBeEmpty).length).toBeLessThan(titles.size / 6);
  });
});
