/**
 * `npm run demo`: keyproxy from the outside, in a few seconds. Starts the daemon with an embedded key, takes a file of
 * records through it for two tenants, restarts it, opens everything again, is refused where it must be, and prints
 * what happened. Exit code 0 only if all of it held. It leaves nothing behind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyProxyClient, Refused } from '../node/keyproxy-client.ts';
import { Daemon } from './daemon.ts';
import { latenciesOf, parseMetrics, quantile, type Sample, sum } from './metrics.ts';
import { readRecords } from './records.ts';
import { Screen } from './screen.ts';
import { encryptEverything, openEverything } from './story.ts';
import { Tally } from './tally.ts';

const methods = ['Encrypt', 'Decrypt', 'GenerateDEK', 'Unwrap', 'Rewrap'] as const;

/** The folder of the demo and whatever daemon runs in it, both gone at the end. */
class Place implements AsyncDisposable {
  readonly folder: string;
  #daemon: Daemon | undefined;
  #end: Promise<void> | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts a daemon; what the last one left in the folder is there. */
  start(): Promise<Daemon> {
    return Daemon.start(this.folder, (daemon) => {
      this.#daemon = daemon;
      // Interrupted while this one was on its way.
      if (this.#end !== undefined) void daemon[Symbol.asyncDispose]();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end ??= this.#clean();
    return this.#end;
  }

  async #clean(): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** One life of the daemon: starts it, lets `act` call it, reads its figures and stops it. */
async function life<T>(
  place: Place,
  stopped: (failure?: string) => void,
  act: (keyproxy: KeyProxyClient) => Promise<T>,
): Promise<{ result: T; samples: Sample[] }> {
  const daemon = await place.start();
  using keyproxy = new KeyProxyClient(daemon.target);
  const result = await act(keyproxy);
  const samples = parseMetrics(await daemon.metrics());
  keyproxy[Symbol.dispose]();
  const code = await daemon.stop();
  stopped(code === 0 ? undefined : `it ended with code ${code}`);
  return { result, samples };
}

async function demo(place: Place, screen: Screen): Promise<boolean> {
  const records = await readRecords();
  const tally = new Tally();
  const stopped = tally.promise('daemon started, and stopped with exit code 0', 2);
  const stage = { tally, progress: screen.progress };
  screen.step('starting keyproxy');
  const one = await life(place, stopped, (keyproxy) => encryptEverything({ ...stage, keyproxy }, records));
  screen.step('restarting keyproxy');
  const two = await life(place, stopped, (keyproxy) => openEverything({ ...stage, keyproxy }, one.result));
  show(screen, tally, [...one.samples, ...two.samples]);
  return tally.holds;
}

function show(screen: Screen, tally: Tally, samples: readonly Sample[]): void {
  screen.table(['what happened', 'count', 'held'], tally.rows());
  const times = methods.map((method) => {
    const latencies = latenciesOf(samples, method);
    const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
    return [method, String(latencies.calls), milliseconds(p50), milliseconds(p99)];
  });
  screen.table(['time inside keyproxy', 'calls', 'p50', 'p99'], times);
  const asked = (result: string) => sum(samples, 'keyproxy_dek_cache_requests_total', { result });
  const [hit, coalesced, miss] = [asked('hit'), asked('coalesced'), asked('miss')];
  const all = hit + coalesced + miss;
  const rate = all === 0 ? 'none' : `${((100 * (hit + coalesced)) / all).toFixed(1)} %`;
  console.log(`\ncache hit rate ${rate} (${hit + coalesced} of ${all}); key asked for ${keyCalls(samples)} times`);
  console.log('figures: /metrics of both daemons, added up; quantiles are interpolated inside their buckets');
  for (const failure of tally.failures()) console.error(`✗ ${failure}`);
  console.log(tally.holds ? '\n✓ all of it held' : '\n✗ not all of it held');
}

function keyCalls(samples: readonly Sample[]): number {
  return sum(samples, 'keyproxy_kms_requests_total');
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(2)} ms`;
}

function describe(error: unknown): string {
  if (error instanceof Refused) return `a call failed: ${error.code} ${error.reason ?? ''} ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

const screen = new Screen();
const place = new Place(await mkdtemp(join(tmpdir(), 'keyproxy-demo-')));
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, async () => {
    isInterrupted = true;
    screen.clear();
    console.error(`interrupted by ${signal}; cleaning up`);
    await place[Symbol.asyncDispose]();
    process.exit(128 + constants.signals[signal]);
  });
}
try {
  process.exitCode = (await demo(place, screen)) ? 0 : 1;
} catch (error) {
  // A daemon that was ended on purpose fails the calls under way: not news.
  if (!isInterrupted) {
    screen.clear();
    console.error(`✗ ${screen.current}: ${describe(error)}`);
  }
  process.exitCode = 1;
} finally {
  await place[Symbol.asyncDispose]();
}
