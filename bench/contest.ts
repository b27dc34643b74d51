/**
 * Servers that answer the same call, one after the other under h2load: each alone on its core, in a new process every
 * round, in an order that turns with the rounds. Ratios are taken within a round, and their median over all.
 *
 * A figure counts only where the server was what held the load up: its core was taken whole and h2load's was not, every
 * answer had all its bytes, and the server itself counted as many OK answers as h2load did.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runH2load } from './h2load.ts';
import { grpcMessage } from './load/frames.ts';
import { median, memory, processorSeconds } from './machine.ts';
import { answerOf, firstAnswerOf, type OneCall } from './one-call.ts';
import { ownFolder } from './server-process.ts';

/** A server that runs. */
export interface ContestServer extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly socket: string;
  /** Metadata that it wants with each call. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How many calls of the contest it has answered OK, by its own count. */
  okCalls(): Promise<number>;
}

/** Who takes part. */
export interface Entrant {
  readonly name: string;
  readonly version?: string;
  /** Starts one on its own core, in a folder of its own; or says why there is none here. */
  readonly start: Start | { readonly absent: string };
}

/** Starts a server in a folder. */
export type Start = (folder: string) => Promise<ContestServer>;

/** How many times the calls of another an entrant has to answer; where `atLeast` is absent, nothing is demanded. */
export interface Target {
  readonly of: string;
  readonly over: string;
  readonly atLeast?: number;
}

export interface Contest {
  readonly name: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The one request, a message. */
  readonly request: Buffer;
  /** Whether a message is the answer that everybody has to give. */
  isRight(answer: Buffer): boolean;
  readonly entrants: readonly Entrant[];
  readonly targets: readonly Target[];
}

/** What one entrant did in one window, or the medians of several. */
export interface ContestFigures {
  readonly callsPerSecond: number;
  /** Processor time of the server for a call, in microseconds: a measure that other work disturbs less. */
  readonly cpuPerCall: number;
  /** Milliseconds, with as many calls in flight as `concurrency` says. */
  readonly p50: number;
  readonly p99: number;
  /** Resident memory after the load, in MiB. */
  readonly rss: number;
  /** Share of its core that the server took, and h2load of its own. */
  readonly busy: number;
  readonly clientBusy: number;
}

/** The counts of one window, or the sums of several. */
export interface ContestCounts {
  readonly clientOk: number;
  readonly serverOk: number;
  readonly failed: number;
  /** OK by HTTP, without all the bytes of the answer. */
  readonly short: number;
}

type Window = ContestFigures & ContestCounts;

/** One entrant: its figures, or why it has none. */
export type Standing = Pick<Entrant, 'name' | 'version'> &
  ((Window & { readonly absent?: never }) | { readonly absent: string });

/** A target and what came of it; `ratio` is NaN where one of the two took no part. */
export interface TargetResult extends Target {
  readonly ratio: number;
  /** The same of calls for each second of processor time. */
  readonly processorRatio: number;
}

export interface ContestResult {
  readonly name: string;
  readonly standings: readonly Standing[];
  readonly targets: readonly TargetResult[];
}

export interface ContestOptions {
  /** Length of one window in seconds, about. */
  readonly seconds: number;
  readonly rounds: number;
}

/** Calls of the first load, which finds out how fast a server is. */
const firstCalls = 20_000;
/** Load before a window, in seconds: code has to get hot. */
const warmUpSeconds = 3;

/** Runs a contest. Rejects where an answer is not the one it has to be, before or after the load. */
export async function measureContest(contest: Contest, { seconds, rounds }: ContestOptions): Promise<ContestResult> {
  const { name, entrants, targets } = contest;
  const windows = new Map<string, Window[]>();
  for (let round = 0; round < rounds; round++) {
    for (const turn of entrants.keys()) {
      const entrant = entrants[(turn + round) % entrants.length];
      if (entrant === undefined || typeof entrant.start !== 'function') continue;
      const window = await measure(contest, entrant.name, { start: entrant.start, seconds });
      windows.set(entrant.name, [...(windows.get(entrant.name) ?? []), window]);
    }
  }
  return {
    name,
    standings: entrants.map((entrant) => standing(entrant, windows.get(entrant.name) ?? [])),
    targets: targets.map((target) => targetResult(target, windows)),
  };
}

/** One window of one entrant. */
async function measure(
  contest: Contest,
  name: string,
  { start, seconds }: { start: Start; seconds: number },
): Promise<Window> {
  const { path, request } = contest;
  await using folder = await ownFolder();
  await using server = await start(folder.path);
  const { socket, metadata = {} } = server;
  const call = { socket, path, request, metadata };
  const checked = (bytes: Buffer, when: string) => {
    if (!contest.isRight(bytes)) throw new Error(`${contest.name}: ${name} answers wrong ${when} the load`);
    return bytes;
  };
  const answer = checked(await firstAnswerOf(call, () => server.process.exitCode !== null), 'before');
  const window = await load(server, { call, answer, seconds, folder: folder.path });
  checked(await answerOf(call), 'after');
  return window;
}

interface Load {
  readonly call: OneCall;
  readonly answer: Buffer;
  readonly seconds: number;
  /** Where files may be written. */
  readonly folder: string;
}

/** Two loads that warm up and find out how many calls fill a window, and the window. */
async function load(server: ContestServer, { call, answer, seconds, folder }: Load): Promise<Window> {
  const bodyFile = join(folder, 'request');
  await writeFile(bodyFile, grpcMessage(call.request));
  const run = (calls: number) => runH2load({ ...call, bodyFile, folder, calls: Math.ceil(calls) });
  const first = await run(firstCalls);
  const warm = await run((warmUpSeconds * first.succeeded) / first.seconds);
  const [okBefore, processorBefore] = [await server.okCalls(), processorSeconds(server.pid)];
  const report = await run((seconds * warm.succeeded) / warm.seconds);
  const processorTime = processorSeconds(server.pid) - processorBefore;
  return {
    callsPerSecond: report.succeeded / report.seconds,
    cpuPerCall: (processorTime / report.succeeded) * 1e6,
    p50: report.p50,
    p99: report.p99,
    rss: memory(server.pid).rss,
    busy: processorTime / report.seconds,
    clientBusy: report.busy,
    clientOk: report.succeeded,
    serverOk: (await server.okCalls()) - okBefore,
    failed: report.failed,
    short: report.succeeded - report.dataBytes / grpcMessage(answer).length,
  };
}

function standing({ start, ...entrant }: Entrant, windows: readonly Window[]): Standing {
  if (typeof start !== 'function') return { ...entrant, absent: start.absent };
  const middle = (key: keyof ContestFigures) => median(windows.map((window) => window[key]));
  const sum = (key: keyof ContestCounts) => windows.reduce((total, window) => total + window[key], 0);
  return {
    ...entrant,
    callsPerSecond: middle('callsPerSecond'),
    cpuPerCall: middle('cpuPerCall'),
    p50: middle('p50'),
    p99: middle('p99'),
    rss: middle('rss'),
    busy: middle('busy'),
    clientBusy: middle('clientBusy'),
    clientOk: sum('clientOk'),
    serverOk: sum('serverOk'),
    failed: sum('failed'),
    short: sum('short'),
  };
}

function targetResult(target: Target, windows: ReadonlyMap<string, readonly Window[]>): TargetResult {
  const [of = [], over = []] = [windows.get(target.of), windows.get(target.over)];
  const ratio = (figure: (window: Window) => number) =>
    median(of.flatMap((window, round) => (over[round] ? [figure(window) / figure(over[round])] : [])));
  return {
    ...target,
    ratio: ratio(({ callsPerSecond }) => callsPerSecond),
    processorRatio: ratio(({ cpuPerCall }) => 1 / cpuPerCall),
  };
}
