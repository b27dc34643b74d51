/** The servers under measurement, each a process of its own from a built bundle, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundle } from '../build.ts';
import { freePort } from '../test/support/daemon.ts';
import { pinned } from './machine.ts';
import { protoFolder } from './raw-client.ts';

const dist = resolve(import.meta.dirname, '../dist');
const floorFolder = join(dist, 'bench-floor');

/** Builds the floor like keyproxy itself. */
export async function buildFloor(): Promise<void> {
  await bundle({ entry: join(import.meta.dirname, 'floor.ts'), name: 'floor', folder: floorFolder });
}

/** A folder that is removed when its scope ends. */
export async function ownFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'keyproxy-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A server that runs. */
export interface ServerProcess extends AsyncDisposable {
  readonly name: 'keyproxy' | 'floor';
  readonly process: ChildProcess;
  readonly pid: number;
  readonly socket: string;
  /** How many calls of a method it has answered OK, by its own count. */
  okCalls(method: string): Promise<number>;
}

/** What a server is started with. */
export interface StartOptions {
  /** Its folder; the socket lies in it. */
  readonly folder: string;
  /** Whether it gets a processor of its own. */
  readonly isPinned: boolean;
}

/** Answers of the floor: base64 of the message, by method. */
export type Answers = Readonly<Record<string, string>>;

/** Starts the floor. `isCounting` opens the channel through which it tells its counts. */
export async function startFloor(
  options: StartOptions & { readonly answers: Answers; readonly isCounting: boolean },
): Promise<ServerProcess> {
  const { folder, answers, isCounting } = options;
  const answersFile = join(folder, 'answers.json');
  await writeFile(answersFile, JSON.stringify(answers));
  const socket = join(folder, 'floor.sock');
  const command = [process.execPath, join(floorFolder, 'floor.js'), socket, protoFolder, answersFile] as const;
  const server = start('floor', command, { ...options, hasChannel: isCounting });
  return {
    ...server,
    socket,
    okCalls: (method) =>
      new Promise((done) => {
        server.process.once('message', (counts: Answers) => done(Number(counts[method] ?? 0)));
        server.process.send?.('counts');
      }),
  };
}

/** Starts keyproxy's bundle with `args` after `serve`. The socket is where `--dev` and the bench's own file have it. */
export async function startKeyproxy(
  options: StartOptions & {
    readonly args: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
    /** The program's file; the built bundle where none is given. */
    readonly program?: string;
  },
): Promise<ServerProcess> {
  const { folder, args, program = join(dist, 'keyproxy.js') } = options;
  const [tcp, http] = [await freePort(), await freePort()];
  const isDevelopment = args.includes('--dev');
  const env = {
    ...options.env,
    KEYPROXY_HTTP_ADDRESS: `127.0.0.1:${http}`,
    ...(isDevelopment && { KEYPROXY_LISTEN_TCP: `127.0.0.1:${tcp}` }),
  };
  const command = [process.execPath, program, 'serve', ...args] as const;
  const server = start('keyproxy', command, { ...options, env });
  return {
    ...server,
    socket: join(folder, isDevelopment ? '.keyproxy-dev/keyproxy.sock' : 'keyproxy.sock'),
    okCalls: async (method) => handled(await (await fetch(`http://127.0.0.1:${http}/metrics`)).text(), method),
  };
}

/** Reads the counter of calls that ended OK. */
function handled(metrics: string, method: string): number {
  const line = metrics
    .split('\n')
    .find(
      (text) =>
        text.startsWith('grpc_server_handled_total{') &&
        text.includes(`grpc_method="${method}"`) &&
        text.includes('grpc_code="OK"'),
    );
  return Number(line?.slice(line.lastIndexOf(' ')) ?? 0);
}

function start(
  name: ServerProcess['name'],
  command: readonly [string, ...string[]],
  options: StartOptions & { readonly env?: NodeJS.ProcessEnv; readonly hasChannel?: boolean },
): Pick<ServerProcess, 'name' | 'process' | 'pid'> & AsyncDisposable {
  const [program, ...args] = options.isPinned ? pinned('server', command) : command;
  const child = spawn(program, args, {
    cwd: options.folder,
    env: { ...process.env, NODE_ENV: '', NODE_OPTIONS: '', ...options.env },
    stdio: ['ignore', 'ignore', 'ignore', ...(options.hasChannel ? (['ipc'] as const) : [])],
  });
  const exited = new Promise((done) => child.once('exit', done));
  return {
    name,
    process: child,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
