/**
 * h2load, the load generator of nghttp2 (Debian: nghttp2-client): faster than every server here, and nobody's here. It
 * judges a call by its HTTP status alone, so what it counts means something only beside the server's own count and the
 * bytes that came back. A run is a number of calls and not a time: then every call has its end, and counts can agree.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../test/third-party/run.ts';
import { pinned } from './machine.ts';

/** What to call, how often, and how much of it at the same time. */
export interface H2loadOrder {
  /** Path of the server's Unix socket. */
  readonly socket: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** File with the request in its five-byte prefix. */
  readonly bodyFile: string;
  /** Where the log of calls may be written. */
  readonly folder: string;
  readonly calls: number;
  /** Metadata that goes with each. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Connections, and calls in flight on each. */
export const concurrency = { connections: 4, streams: 32 } as const;

/** What h2load saw. */
export interface H2loadReport {
  /** Calls with an HTTP status of 2xx, and all others. */
  readonly succeeded: number;
  readonly failed: number;
  readonly seconds: number;
  /** Bytes in DATA frames, the prefixes of messages included. */
  readonly dataBytes: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Share of its core that h2load took. */
  readonly busy: number;
}

/** Whether h2load is on this machine. */
export async function hasH2load(): Promise<boolean> {
  return (await run('h2load', ['--version'])).code === 0;
}

/** Runs an order to its end. Rejects where h2load fails. */
export async function runH2load(order: H2loadOrder): Promise<H2loadReport> {
  const log = join(order.folder, 'calls.log');
  // h2load writes on at the end of a log that is there.
  await rm(log, { force: true });
  const { code, stdout, stderr } = await run('sh', ['-c', timed, 'sh', ...pinned('client', commandFor(order, log))], {
    timeoutMs: 10 * 60_000,
  });
  if (code !== 0) throw new Error(`h2load ended with ${code}: ${stderr}`);
  const rate = number(stdout, /finished in .*, ([\d.]+) req\/s/);
  const done = number(stdout, /(\d+) done/);
  const succeeded = number(stdout, /(\d+) succeeded/);
  const seconds = done / rate;
  return {
    succeeded,
    failed: order.calls - succeeded,
    seconds,
    dataBytes: number(stdout, /\((\d+)\) data/),
    ...percentiles(await readFile(log, 'utf8')),
    busy: childSeconds(stdout) / seconds,
  };
}

/** The shell's `times` ends with a line about its children: user time, system time (POSIX). */
const timed = '"$@" && times';

function commandFor({ socket, path, bodyFile, calls, metadata = {} }: H2loadOrder, log: string): [string, ...string[]] {
  const { connections, streams } = concurrency;
  return [
    'h2load',
    `--requests=${calls}`,
    `--clients=${connections}`,
    `--max-concurrent-streams=${streams}`,
    `--data=${bodyFile}`,
    '--header=content-type: application/grpc',
    '--header=te: trailers',
    ...Object.entries(metadata).map(([name, value]) => `--header=${name}: ${value}`),
    `--base-uri=unix:${socket}`,
    `--log-file=${log}`,
    `http://localhost${path}`,
  ];
}

function number(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`h2load printed nothing like ${pattern}:\n${text}`);
  return Number(found);
}

function childSeconds(text: string): number {
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  const times = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  return times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

/** Each line of the log: when the call began, its HTTP status, how many microseconds it took. */
function percentiles(log: string): { p50: number; p99: number } {
  const times = Float64Array.from(log.trimEnd().split('\n'), (line) => Number(line.slice(line.lastIndexOf('\t') + 1)));
  times.sort();
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? Number.NaN) / 1000;
  return { p50: at(0.5), p99: at(0.99) };
}
