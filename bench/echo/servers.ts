/** The four echo servers as entrants of a contest: how each is built and started, and how it tells its count. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { bundle } from '../../build.ts';
import type { Contest, Entrant, Start } from '../contest.ts';
import { pinned } from '../machine.ts';
import { programOf } from './programs.ts';

const root = resolve(import.meta.dirname, '../..');
const protoFile = join(import.meta.dirname, 'echo.proto');
const payloadBytes = 100;

/** What everybody is asked, and answers: a message whose every byte is written in one way only. */
export function echoCall(): Pick<Contest, 'path' | 'request' | 'isRight'> {
  // proto-loader's answer holds services and messages alike; this name is a service's.
  const method = (loadSync(protoFile)['bench.Echo'] as ServiceDefinition)['Echo'];
  if (method === undefined) throw new Error('echo.proto has no method Echo');
  const message = method.requestSerialize({ payload: Buffer.alloc(payloadBytes, 'keyproxy') });
  return { path: method.path, request: message, isRight: (answer) => answer.equals(message) };
}

/** All four; those whose toolchain is missing are absent. The first time it takes minutes. */
export async function echoEntrants(): Promise<Entrant[]> {
  return [
    { name: 'native', start: await onNode('native') },
    { name: 'grpc-js', version: await pinnedIn('package.json', /grpc-js": "([\d.]+)/), start: await onNode('grpc-js') },
    { name: 'grpc-go', version: await pinnedIn('bench/echo/go/go.mod', /grpc v([\d.]+)/), start: await built('go') },
    {
      name: 'tonic',
      version: await pinnedIn('bench/echo/rust/Cargo.toml', /tonic = "=([\d.]+)/),
      start: await built('rust'),
    },
  ];
}

/** Bundles one of the servers on Node like keyproxy itself. */
async function onNode(name: 'native' | 'grpc-js'): Promise<Start> {
  const folder = join(root, 'dist', `bench-echo-${name}`);
  await bundle({ entry: join(import.meta.dirname, `${name}.ts`), name, folder });
  return starting([process.execPath, join(folder, `${name}.js`)], {});
}

/** One of the servers on Node as it is written. */
export function fromSource(name: 'native' | 'grpc-js', env: NodeJS.ProcessEnv): Start {
  return starting([process.execPath, join(import.meta.dirname, `${name}.ts`)], env);
}

async function built(language: 'go' | 'rust'): Promise<Entrant['start']> {
  const program = await programOf(language);
  return program.kind === 'ready' ? starting([program.file], {}) : { absent: program.why };
}

async function pinnedIn(file: string, pattern: RegExp): Promise<string> {
  return pattern.exec(await readFile(join(root, file), 'utf8'))?.[1] ?? '';
}

function starting(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv): Start {
  return async (folder) => {
    const socket = join(folder, 'echo.sock');
    const [program, ...args] = pinned('server', [...command, socket, protoFile]);
    const child = spawn(program, args, {
      // One core is what it has: Go is told, the others see to it themselves.
      env: { ...process.env, NODE_ENV: '', NODE_OPTIONS: '', GOMAXPROCS: '1', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit');
    return {
      process: child,
      pid: child.pid ?? 0,
      socket,
      okCalls: () => countOf(child),
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        await exited;
      },
    };
  };
}

async function countOf(child: ChildProcess): Promise<number> {
  child.kill('SIGUSR2');
  const [line] = child.stdout === null ? [] : await once(child.stdout, 'data');
  return Number(line);
}
