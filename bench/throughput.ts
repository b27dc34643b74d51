/**
 * Calls a second on one core, keyproxy beside the floor: the same requests, answers of the same bytes, the same load,
 * in turns. Both servers live through the whole run; the one that is not asked stands still.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { LoadOrder, LoadReport } from './load/main.ts';
import { median, pinned, processorSeconds } from './machine.ts';
import { pathOf, RawClient } from './raw-client.ts';
import { untilReady } from './ready.ts';
import { type Answers, ownFolder, type ServerProcess, startFloor, startKeyproxy } from './server-process.ts';

/** One method with its request, and how much of the floor's throughput it has to reach. */
interface Case {
  readonly name: string;
  readonly method: string;
  readonly target: number;
  /** The request, and what its answer has to show. */
  prepare(client: RawClient): Promise<{ request: object; check: (answer: object) => Promise<boolean> }>;
}

const tenant = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };

interface Generated {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

function unwrapCase(name: string, source: string): Case {
  return {
    name,
    method: 'Unwrap',
    target: 0.8,
    async prepare(client) {
      const { answer: dek } = await client.call<Generated>('GenerateDEK', { ...tenant, source });
      const request = { ...tenant, wrapped_dek: dek.wrapped_dek };
      return { request, check: async (answer) => dek.plaintext.equals((answer as Generated).plaintext) };
    },
  };
}

const cases: readonly Case[] = [
  unwrapCase('Unwrap, cached, derived DEK', 'DEK_SOURCE_DERIVED'),
  unwrapCase('Unwrap, cached, DEK of the key service', 'DEK_SOURCE_KMS'),
  {
    name: 'Encrypt, 1 KiB',
    method: 'Encrypt',
    target: 0.5,
    async prepare(client) {
      const plaintext = randomBytes(1024);
      const check = async (answer: object) => {
        const { ciphertext } = answer as { ciphertext: Buffer };
        const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { ...tenant, ciphertext });
        return opened.answer.plaintext.equals(plaintext);
      };
      return { request: { ...tenant, plaintext }, check };
    },
  },
];

export interface ThroughputOptions {
  /** Length of one window in seconds. */
  readonly seconds: number;
  readonly rounds: number;
}

/** What one server did in one window, or the medians of several. */
interface Figures {
  readonly callsPerSecond: number;
  /** Calls for each second of processor time that the server took: a measure that other work disturbs less. */
  readonly callsPerProcessorSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Share of its core that the server took. */
  readonly busy: number;
}

/** One method, both servers. */
export interface ThroughputResult {
  readonly name: string;
  readonly target: number;
  readonly ratio: number;
  /** The same of calls for each second of processor time. */
  readonly processorRatio: number;
  readonly floor: Figures;
  readonly keyproxy: Figures;
  /** Calls OK by the client's count and by the servers' own, both servers and all rounds together. */
  readonly clientOk: number;
  readonly serverOk: number;
  readonly failed: number;
}

/** Measures every case. Throws where an answer is not what it has to be, before or after the load. */
export async function measureThroughput({ seconds, rounds }: ThroughputOptions): Promise<ThroughputResult[]> {
  await using folder = await ownFolder();
  await using keyproxy = await startKeyproxy({ folder: folder.path, isPinned: true, args: ['--dev'] });
  await untilReady(keyproxy, 'demo');
  using client = new RawClient(keyproxy.socket);
  const results: ThroughputResult[] = [];
  for (const each of cases) {
    const { request, check } = await each.prepare(client);
    const before = await client.call<object>(each.method, request);
    if (!(await check(before.answer))) throw new Error(`${each.name}: the answer before the load is wrong`);
    const answers: Answers = { [each.method]: before.response.toString('base64') };
    await using own = await ownFolder();
    await using floor = await startFloor({ folder: own.path, isPinned: true, answers, isCounting: true });
    await untilReady(floor, 'demo');
    using floorClient = new RawClient(floor.socket);
    const same = await floorClient.call(each.method, request);
    if (!same.response.equals(before.response)) throw new Error(`${each.name}: the floor answers other bytes`);
    const order = {
      path: pathOf(each.method),
      request: before.request.toString('base64'),
      answerBytes: before.response.length,
    };
    results.push(await compare(each, { keyproxy, floor, order, seconds, rounds }));
    const after = await client.call<object>(each.method, request);
    if (!(await check(after.answer))) throw new Error(`${each.name}: the answer after the load is wrong`);
  }
  return results;
}

type Request = Pick<LoadOrder, 'path' | 'request' | 'answerBytes'>;

interface Comparison extends ThroughputOptions {
  readonly keyproxy: ServerProcess;
  readonly floor: ServerProcess;
  readonly order: Request;
}

/** Time under load before anything is measured, in seconds: code has to get hot. */
const warmUpSeconds = 3;
/** Time under load before each window, in seconds. */
const runUpSeconds = 0.5;

async function compare(each: Case, options: Comparison): Promise<ThroughputResult> {
  const { keyproxy, floor, order, seconds, rounds } = options;
  const windows: Record<ServerProcess['name'], Window[]> = { keyproxy: [], floor: [] };
  for (const server of [keyproxy, floor]) {
    await load(each, server, { ...order, warmUp: warmUpSeconds, seconds: 0.1 });
  }
  for (let round = 0; round < rounds; round++) {
    for (const server of round % 2 === 0 ? [floor, keyproxy] : [keyproxy, floor]) {
      windows[server.name].push(await load(each, server, { ...order, warmUp: runUpSeconds, seconds }));
    }
  }
  const all = [...windows.floor, ...windows.keyproxy];
  const sum = (of: (window: Window) => number) => all.reduce((total, window) => total + of(window), 0);
  const [base, own] = [medians(windows.floor), medians(windows.keyproxy)];
  const ratios = (of: (window: Window) => number) =>
    median(windows.keyproxy.map((window, round) => of(window) / of(windows.floor[round] ?? window)));
  return {
    name: each.name,
    target: each.target,
    ratio: ratios((window) => window.callsPerSecond),
    processorRatio: ratios((window) => window.callsPerProcessorSecond),
    floor: base,
    keyproxy: own,
    clientOk: sum((window) => window.clientOk),
    serverOk: sum((window) => window.serverOk),
    failed: sum((window) => window.failed),
  };
}

interface Window extends Figures {
  readonly clientOk: number;
  readonly serverOk: number;
  readonly failed: number;
}

function medians(windows: readonly Window[]): Figures {
  const of = (name: keyof Figures) => median(windows.map((window) => window[name]));
  return {
    callsPerSecond: of('callsPerSecond'),
    callsPerProcessorSecond: of('callsPerProcessorSecond'),
    p50: of('p50'),
    p99: of('p99'),
    busy: of('busy'),
  };
}

const connections = 4;
const streams = 16;

/** One load on one server, with the server's own count and processor time around it. */
async function load(
  { method }: Case,
  server: ServerProcess,
  order: Request & Pick<LoadOrder, 'warmUp' | 'seconds'>,
): Promise<Window> {
  const countBefore = await server.okCalls(method);
  const full: LoadOrder = { ...order, socket: server.socket, connections, streams };
  const command = [process.execPath, join(import.meta.dirname, 'load/main.ts'), JSON.stringify(full)] as const;
  const [program, ...args] = pinned('client', command);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const processor = { begin: 0, end: 0 };
  const report = await new Promise<Extract<LoadReport, { kind: 'done' }>>((done, fail) => {
    child.on('message', (message: LoadReport) => {
      if (message.kind === 'done') done(message);
      else processor[message.kind] = processorSeconds(server.pid);
    });
    child.once('exit', (code) => fail(new Error(`the load generator ended with ${code}`)));
  });
  const processorTime = processor.end - processor.begin;
  return {
    callsPerSecond: report.windowOk / report.windowSeconds,
    callsPerProcessorSecond: report.windowOk / processorTime,
    p50: report.p50,
    p99: report.p99,
    busy: processorTime / report.windowSeconds,
    clientOk: report.ok,
    serverOk: (await server.okCalls(method)) - countBefore,
    failed: report.failed,
  };
}
