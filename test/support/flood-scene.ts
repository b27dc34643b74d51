/** A daemon, its well-behaved neighbour, and one flood after the other: what was done, how it ended, what it cost. */
import { join } from 'node:path';
import { type Daemon, startDaemon, temporaryFolder } from './daemon.ts';
import type { FloodReport } from './flood-connection.ts';
import { forgetPeak, peakResident } from './flood-memory.ts';
import type { WindowResult } from './flood-neighbour.ts';
import { type Neighbour, startAttacker, startNeighbour } from './flood-processes.ts';
import type { Flood, FloodEnd } from './floods.ts';
import { memoryHeld, recordMemory } from './memory-record.ts';

/** How long is measured; the rest has its own time. */
export interface Measure {
  /** The neighbour's calls a second. */
  readonly rate: number;
  /** Half of it before the flood, half of it after. */
  readonly quietSeconds: number;
  readonly floodSeconds: number;
  /** The flood goes on for so long where it has to be cut and is not yet. */
  readonly patienceSeconds: number;
  /** Instead of the flood's own number. */
  readonly connections?: number;
}

export interface FloodResult {
  readonly report: FloodReport;
  /** How long it ran, in seconds. */
  readonly seconds: number;
  /**
   * The neighbour's 99th percentile, in milliseconds: without a flood; with the same flood of another daemon on the same
   * machine, which shows what the flood takes of the machine; and with the flood.
   */
  readonly quietP99: number;
  readonly elsewhereP99: number;
  readonly floodP99: number;
  /** The neighbour's answers that were not right. */
  readonly wrong: number;
  /** Heap and external memory beyond what was held before, garbage aside: the most of all samples, in bytes. */
  readonly held: number;
  /** The most physical memory, garbage too, in bytes. */
  readonly peak: number;
}

export interface FloodScene extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly neighbour: Neighbour;
  /** One flood between two quiet windows. It goes on until it is cut, where it has to be. */
  run(flood: Flood, measure: Measure): Promise<FloodResult>;
}

/** Starts the daemon and its neighbour, and warms both up. */
export async function floodScene(): Promise<FloodScene> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const file = join(folder.path, 'memory');
  const daemon = parts.use(
    await startDaemon({
      env: { ...recordMemory(file), KEYPROXY_AUDIT_PATH: join(folder.path, 'audit.jsonl') },
      hardening: 'none',
    }),
  );
  const elsewhere = parts.use(
    await startDaemon({ env: { KEYPROXY_AUDIT_PATH: join(folder.path, 'other.jsonl') }, hardening: 'none' }),
  );
  const neighbour = parts.use(await startNeighbour(daemon.socket));
  await neighbour.calls({ rate: 500, seconds: 1 });
  const owned = parts.move();
  return {
    ...{ daemon, neighbour },
    run: (flood, measure) => runFlood(flood, measure, { daemon, elsewhere, neighbour, file }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What the words of an end are in a report. */
export function isExpected(end: FloodEnd, key: string): boolean {
  // A client that is late to read does not see the last word: it has a second.
  const wordless = end.words.length > 0 && key === 'no last word';
  return wordless || end.words.some((words) => key === `GOAWAY ${end.code ?? 11}: ${words}`);
}

/** Whether connections have to be cut within the patience. */
export function isDue({ end }: Flood, { patienceSeconds }: Measure): boolean {
  return end.afterSeconds !== undefined && end.afterSeconds < patienceSeconds;
}

interface Parts {
  readonly daemon: Daemon;
  readonly elsewhere: Daemon;
  readonly neighbour: Neighbour;
  readonly file: string;
}

async function runFlood(flood: Flood, measure: Measure, parts: Parts): Promise<FloodResult> {
  const { daemon, neighbour, file } = parts;
  const { rate, quietSeconds, floodSeconds } = measure;
  const pid = daemon.process.pid ?? 0;
  const heldNow = async () => {
    const { heapUsed, external } = await memoryHeld(pid, file);
    return heapUsed + external;
  };
  const before = await heldNow();
  await forgetPeak(pid);
  const quiet = [await neighbour.calls({ rate, seconds: quietSeconds / 2 })];
  const elsewhere = await floodElsewhere(flood, measure, parts);
  const attacker = await startAttacker(pathOf(daemon), flood, measure.connections);
  await using _attacker = attacker;
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const floods = [];
  let held = 0;
  let report: FloodReport;
  do {
    floods.push(await neighbour.calls({ rate, seconds: floodSeconds / 2 }));
    // Between two windows: to collect garbage takes the daemon longer than a call.
    held = Math.max(held, await heldNow());
    report = await attacker.report();
  } while (
    seconds() < floodSeconds ||
    (isDue(flood, measure) && !hasEnded(report) && seconds() < measure.patienceSeconds)
  );
  const took = seconds();
  const peak = await peakResident(pid);
  await attacker[Symbol.asyncDispose]();
  quiet.push(await neighbour.calls({ rate, seconds: quietSeconds / 2 }));
  return {
    ...{ report, peak },
    seconds: took,
    quietP99: p99(quiet.flatMap(({ times }) => times)),
    elsewhereP99: p99(elsewhere.times),
    floodP99: p99(floods.flatMap(({ times }) => times)),
    wrong: [...quiet, elsewhere, ...floods].reduce((sum, { wrong }) => sum + wrong, 0),
    held: held - before,
  };
}

/** What the neighbour feels of the flood where another daemon has it. */
async function floodElsewhere(flood: Flood, measure: Measure, { elsewhere, neighbour }: Parts): Promise<WindowResult> {
  await using _attacker = await startAttacker(pathOf(elsewhere), flood, measure.connections);
  return await neighbour.calls({ rate: measure.rate, seconds: measure.floodSeconds });
}

function pathOf({ socket }: Daemon): string {
  return socket.slice('unix:'.length);
}

function hasEnded({ ends }: FloodReport): boolean {
  return Object.keys(ends).some((key) => key.startsWith('GOAWAY'));
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
}
