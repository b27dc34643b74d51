/** Prometheus itself, which scrapes daemons once a second and has the rules of `deploy/prometheus` loaded. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { ruleFiles, rulesFolder } from '../support/rule-files.ts';
import { startServer } from './server-process.ts';

/** What it scrapes: a job with one daemon, as one pod of a namespace. */
export interface ScrapedDaemon {
  readonly job: string;
  /** Host and port of its HTTP endpoint. */
  readonly address: string;
}

/** One series of an answer and its value now. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A rule as Prometheus evaluated it last. */
export interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly alerts?: readonly { readonly annotations: Readonly<Record<string, string>> }[];
}

export interface Prometheus extends AsyncDisposable {
  /** Evaluates an instant query. Throws with Prometheus' own words where it cannot. */
  query(expression: string): Promise<Sample[]>;
  rules(): Promise<EvaluatedRule[]>;
}

function configuration(daemons: readonly ScrapedDaemon[]): string {
  return JSON.stringify({
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ruleFiles.map((name) => join(rulesFolder, name)),
    scrape_configs: daemons.map(({ job, address }) => ({
      job_name: job,
      static_configs: [{ targets: [address], labels: { namespace: 'shop', pod: `${job}-0` } }],
    })),
  });
}

/** Starts it, with `folder` as the place of its program, in a folder of its own. */
export async function startPrometheus(folder: string, daemons: readonly ScrapedDaemon[]): Promise<Prometheus> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  const file = join(path, 'prometheus.yaml');
  // JSON is YAML.
  await writeFile(file, configuration(daemons));
  const address = `127.0.0.1:${await freePort()}`;
  const flags = { 'config.file': file, 'storage.tsdb.path': join(path, 'data'), 'web.listen-address': address };
  const { endpoint } = stack.use(
    await startServer({
      program: join(folder, 'prometheus'),
      args: [...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), '--log.level=warn'],
      cwd: path,
      endpoint: `http://${address}`,
      readyPath: '/-/ready',
    }),
  );
  const owned = stack.move();
  return {
    async query(query) {
      const { result } = await ask<{ result: Answered[] }>(`${endpoint}/api/v1/query`, { query });
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    async rules() {
      const { groups } = await ask<{ groups: { rules: EvaluatedRule[] }[] }>(`${endpoint}/api/v1/rules`, {});
      return groups.flatMap(({ rules }) => rules);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Answered {
  readonly metric: Record<string, string>;
  readonly value: readonly [number, string];
}

async function ask<T>(url: string, parameters: Record<string, string>): Promise<T> {
  const answer = await fetch(`${url}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
  if (status !== 'success') throw new Error(`Prometheus refuses ${JSON.stringify(parameters)}: ${error}`);
  return data;
}
