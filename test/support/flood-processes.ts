/** Starts what floods a daemon and what suffers from it, each in a process of its own, and talks to them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FloodReport } from './flood-connection.ts';
import type { Window, WindowResult } from './flood-neighbour.ts';
import type { Flood } from './floods.ts';
import { compileCache } from './tested-program.ts';

export interface Attacker extends AsyncDisposable {
  /** What it has done so far. */
  report(): Promise<FloodReport>;
}

export interface Neighbour extends AsyncDisposable {
  /** Makes calls at a steady rate, and returns when the last one has ended. */
  calls(window: Window): Promise<WindowResult>;
}

/** Begins a flood of the Unix socket at `path`; it is under way when this resolves. */
export async function startAttacker(path: string, flood: Flood, connections = flood.connections): Promise<Attacker> {
  // It gets what the others leave: what is measured is the daemon's fairness, and not that of the system's scheduler.
  const child = await startChild('flood-attacker.ts', [path, flood.name, String(connections)], ['nice', '-n', '19']);
  return { report: () => asked<FloodReport>(child, 'report'), [Symbol.asyncDispose]: () => ended(child) };
}

/** Starts a client of the daemon at `target`, which has made its first call when this resolves. */
export async function startNeighbour(target: string): Promise<Neighbour> {
  const child = await startChild('flood-neighbour.ts', [target], []);
  return { calls: (window) => asked<WindowResult>(child, window), [Symbol.asyncDispose]: () => ended(child) };
}

async function startChild(file: string, args: readonly string[], before: readonly string[]): Promise<ChildProcess> {
  const command = [...before, process.execPath, join(import.meta.dirname, file), ...args];
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, {
    env: { ...process.env, ...compileCache(), NODE_OPTIONS: '' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await message(child);
  return child;
}

/** The next message of the process. Rejects where it ends instead. */
function message(child: ChildProcess): Promise<unknown> {
  return new Promise((done, fail) => {
    const onExit = () => fail(new Error('the process ended'));
    child.once('exit', onExit);
    child.once('message', (value) => {
      child.off('exit', onExit);
      done(value);
    });
  });
}

async function asked<T>(child: ChildProcess, question: string | Window): Promise<T> {
  const answer = message(child);
  child.send(question);
  return (await answer) as T;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
