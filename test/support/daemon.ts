/** Starts the real daemon as a process of its own, in a folder of its own, and stops it again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hardenedFlags } from '../../src/app/hardening-flags.ts';
import { compileCache, testedProgram } from './tested-program.ts';

export interface DaemonOptions {
  /** The command; `serve` where none is given. */
  readonly command?: 'serve' | 'kms-plugin';
  /** Where its HTTP endpoint is, by its file; a free port, told to it by its environment, where none is given. */
  readonly httpPort?: number;
  /** Arguments after the command; `--dev` where none are given. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The program's file; the built one where none is given. */
  readonly program?: string;
  /** The folder it runs in; one of its own, removed at the end, where none is given. */
  readonly cwd?: string;
  /** Where in that folder its socket is, if not where development has it. */
  readonly socket?: string;
  /** How it is hardened; `at start` where nothing is given. */
  readonly hardening?: Hardening;
}

/**
 * How a daemon is hardened. `at start`: by flags on its command line, which saves the second start and lets Node keep
 * what it compiles; it has more than it needs, so its log says that it is not hardened. `by itself`: as operators start
 * it. `none`: Node's options in its environment hold, a preload or a profiler among them.
 */
export type Hardening = 'at start' | 'by itself' | 'none';

export interface Daemon extends AsyncDisposable {
  readonly cwd: string;
  readonly process: ChildProcess;
  /** `unix:` target of its socket. */
  readonly socket: string;
  /** Host and port of its loopback listener. */
  readonly tcp: string;
  /** Base address of its HTTP endpoint. */
  readonly http: string;
  /** All that it has printed so far. */
  output(): string;
  /** Sends SIGTERM and waits for the exit code. */
  stop(): Promise<number | null>;
}

/** A folder that is removed when its scope ends. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'keyproxy-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Runs `keyproxy` to its end and returns what it printed and its exit code. */
export function runKeyproxy(
  args: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [testedProgram(), ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...compileCache(), NODE_ENV: '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

/** Starts `keyproxy serve` and returns once its readiness probe answers 200. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const own = options.cwd === undefined ? await temporaryFolder() : undefined;
  const cwd = options.cwd ?? own?.path ?? '.';
  const [tcpPort, httpPort] = [await freePort(), options.httpPort ?? (await freePort())];
  const { hardening = 'at start', program = testedProgram(), args = ['--dev'], command = 'serve' } = options;
  const flags = hardening === 'at start' ? flagsFor(cwd) : [];
  const more = hardening === 'none' ? ['--no-hardening'] : [];
  const child = spawn(process.execPath, [...flags, program, command, ...args, ...more], {
    cwd,
    env: {
      ...process.env,
      ...compileCache(),
      NODE_ENV: '',
      KEYPROXY_LISTEN_TCP: `127.0.0.1:${tcpPort}`,
      KEYPROXY_HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const exited = new Promise<number | null>((done) => child.once('exit', done));
  const daemon: Daemon = {
    cwd,
    process: child,
    socket: `unix:${join(cwd, options.socket ?? '.keyproxy-dev/keyproxy.sock')}`,
    tcp: `127.0.0.1:${tcpPort}`,
    http: `http://127.0.0.1:${httpPort}`,
    output: () => output,
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await own?.[Symbol.asyncDispose]();
    },
  };
  await untilReady(daemon).catch(async (error) => {
    await daemon[Symbol.asyncDispose]();
    throw error;
  });
  return daemon;
}

/** Flags for a daemon that keeps all it writes in `folder`. */
function flagsFor(folder: string): string[] {
  return hardenedFlags({ writable: [folder, ...Object.values(compileCache())], nativeModules: false });
}

async function untilReady(daemon: Daemon): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (daemon.process.exitCode !== null) throw new Error(`the daemon ended at its start:\n${daemon.output()}`);
    const status = await fetch(`${daemon.http}/readyz`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    if (Date.now() > deadline) throw new Error(`the daemon was not ready in time:\n${daemon.output()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
