/** The real injector as a process on this machine, with what Kubernetes would put into its pod. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { compileCache, testedProgram } from '../support/tested-program.ts';
import { type Chart, release } from './kubernetes-chart.ts';
import { until } from './kubernetes-scene.ts';
import type { Account, Cluster } from './kubernetes-server.ts';

export interface Injector extends AsyncDisposable {
  /** Of its webhook, on 127.0.0.1. */
  readonly port: number;
  /** What its readiness probe says. */
  isReady(): Promise<boolean>;
  /** All that it has printed so far. */
  output(): string;
  /** Sends SIGTERM and waits for the exit code. */
  stop(): Promise<number | null>;
}

export interface InjectorOptions {
  readonly cluster: Cluster;
  readonly chart: Chart;
  /** In the place of the chart's section `certificates`. */
  readonly certificates?: Readonly<Record<string, unknown>>;
  /** Whom the API server takes it for; the chart's service account unless given. */
  readonly account?: Account;
}

/** Starts one and waits until it is ready. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const injector = await launchInjector(options);
  try {
    await until('the injector is ready', () => injector.isReady());
    return injector;
  } catch (error) {
    const why = `${error instanceof Error ? error.message : 'unknown'}:\n${injector.output()}`;
    await injector[Symbol.asyncDispose]();
    throw new Error(why, { cause: error });
  }
}

/** Starts one that may never be ready. */
export async function launchInjector(options: InjectorOptions): Promise<Injector> {
  const { cluster, chart, certificates, account = release } = options;
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await temporaryFolder());
  const [port, httpPort] = [await freePort(), await freePort()];
  const file = {
    ...chart.injectorFile(),
    listen: `127.0.0.1:${port}`,
    http: `127.0.0.1:${httpPort}`,
    ...(certificates && { certificates }),
  };
  await writeFile(join(place.path, 'injector.yaml'), stringify(file));
  await writeFile(join(place.path, 'token'), await cluster.tokenOf(account), { mode: 0o600 });
  await writeFile(join(place.path, 'ca.crt'), cluster.server.ca);
  const { hostname, port: apiPort } = new URL(cluster.server.origin);
  const child = spawn(process.execPath, [testedProgram(), 'injector', '--config', 'injector.yaml'], {
    cwd: place.path,
    env: {
      ...process.env,
      ...compileCache(),
      NODE_ENV: '',
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: apiPort,
      KEYPROXY_SERVICE_ACCOUNT_DIRECTORY: place.path,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((done) => child.once('exit', done));
  stack.defer(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const moved = stack.move();
  return {
    port,
    output: () => output,
    async isReady() {
      const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`).catch(() => undefined);
      return response?.status === 200;
    },
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}
