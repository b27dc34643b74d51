/** Starts a server that nobody here wrote, waits until it answers, and ends it for certain. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

/** A server that runs. Disposing of it kills it. */
export interface RunningServer extends AsyncDisposable {
  /** Its origin, on loopback. */
  readonly endpoint: string;
}

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly endpoint: string;
  /** A path that answers with 200 once the server can be used, or a question whose answer is yes then. */
  readonly readyPath: string | (() => Promise<boolean>);
}

/** The longest that a start may take, in milliseconds: on two cores, beside everything else that starts. */
const startMs = 60_000;
const pauseMs = 100;
const outputLimit = 100_000;

/** Starts one and waits until `readyPath` answers. Rejects, with what it printed, where it does not come to that. */
export async function startServer(command: ServerCommand): Promise<RunningServer> {
  const { program, args, env, cwd, endpoint } = command;
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
  });
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const stop = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  const output = collect(child);
  try {
    const { readyPath } = command;
    await ready(child, typeof readyPath === 'string' ? () => answers(new URL(readyPath, endpoint)) : readyPath);
  } catch (error) {
    await stop();
    const why = error instanceof Error ? error.message : 'for an unknown reason';
    throw new Error(`${why}:\n${output().slice(-2_000)}`, { cause: error });
  }
  return { endpoint, [Symbol.asyncDispose]: stop };
}

/** Reads what the server prints to its end, so that it never waits for a reader, and keeps the beginning. */
function collect({ stdout, stderr }: ChildProcess): () => string {
  let output = '';
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < outputLimit) output += text;
    });
  }
  return () => output;
}

async function ready(child: ChildProcess, question: () => Promise<boolean>): Promise<void> {
  const ended = new Promise<never>((_, fail) => {
    child.once('error', (error) => fail(new Error(`it cannot be started: ${error.message}`)));
    child.once('exit', () => fail(new Error('it ended at its start')));
  });
  await Promise.race([ended, untilYes(question)]);
}

async function untilYes(question: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + startMs; performance.now() < end; await pause(pauseMs)) {
    if (await question().catch(() => false)) return;
  }
  throw new Error('it did not answer in time');
}

async function answers(address: URL): Promise<boolean> {
  const response = await fetch(address, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.status === 200;
}
