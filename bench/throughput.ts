/**
 * Calls a second on one core, keyproxy beside the floor: the same requests, answers of the same bytes, the same load,
 * in turns. Each round has new processes; the server that is not asked stands still.
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
  const results: ThroughputResult[] = [];
  for (const each of cases) {
    const pairs: Pair[] = [];
    for (let round = 0; round < rounds; round++) {
      pairs.push(await measurePair(each, { seconds, isFloorFirst: round % 2 === 0 }));
    }
    results.push(summary(each, pairs));
  }
  return results;
}

/** What both servers did in one round. */
type Pair = Readonly<Record<ServerProcess['name'], Window>>;

/** Time under load before a window, in seconds: code has to get hot. */
const warmUpSeconds = 3;

/** One window of each server, in processes of their own: how a process lies in memory is worth a tenth of its speed. */
async function measurePair(each: Case, options: { seconds: number; isFloorFirst: boolean }): Promise<Pair> {
  const { seconds, isFloorFirst } = options;
  await using folder = await ownFolder();
  await using keyproxy = await startKeyproxy({ folder: folder.path, isPinned: true, args: ['--dev'] });
  await untilReady(keyproxy, 'demo');
  using client = new RawClient(keyproxy.socket);
  const { request, check } = await each.prepare(client);
  const before = await client.call<object>(each.method, request);
  if (!(await check(before.answer))) throw new Error(`${each.name}: the answer before the load is wrong`);
  const answers: Answers = { [each.method]: before.response.toString('base64') };
  await using floor = await startFloor({ folder: folder.path, isPinned: true, answers, isCounting: true });
  await untilReady(floor, 'demo');
  using floorClient = new RawClient(floor.socket);
  const same = await floorClient.call(each.method, request);
  if (!same.response.equals(before.response)) throw new Error(`${each.name}: the floor answers other bytes`);
  const order = {
    path: pathOf(each.method),
    request: before.request.toString('base64'),
    answerBytes: before.response.length,
    warmUp: warmUpSeconds,
    seconds,
  };
  const windows: Partial<Record<ServerProcess['name'], Window>> = {};
  for (const server of isFloorFirst ? [floor, keyproxy] : [keyproxy, floor]) {
    windows[server.name] = await load(each, server, order);
  }
  const after = await client.call<object>(each.method, request);
  if (!(await check(after.answer))) throw new Error(`${each.name}: the answer after the load is wrong`);
  if (windows.floor === undefined || windows.keyproxy === undefined) throw new Error('a server was not measured');
  return { floor: windows.floor, keyproxy: windows.keyproxy };
}

function summary({ name, target }: Case, pairs: readonly Pair[]): ThroughputResult {
  const all = pairs.flatMap(({ floor, keyproxy }) => [floor, keyproxy]);
  const sum = (of: (window: Window) => number) => all.reduce((total, window) => total + of(window), 0);
  const ratio = (of: (window: Window) => number) =>
    median(pairs.map(({ floor, keyproxy }) => of(keyproxy) / of(floor)));
  return {
    name,
    target,
    ratio: ratio((window) => window.callsPerSecond),
    processorRatio: ratio((window) => window.callsPerProcessorSecond),
    floor: medians(pairs.map(({ floor }) => floor)),
    keyproxy: medians(pairs.map(({ keyproxy }) => keyproxy)),
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
  order: Omit<LoadOrder, 'socket' | 'connections' | 'streams'>,
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
