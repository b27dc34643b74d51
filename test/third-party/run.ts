/** Runs other people's programs to their end. */
import { spawn } from 'node:child_process';

/** How a program ended. */
export interface Ended {
  /** The exit code; null where it could not be started, was killed, or ran out of time. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** After which it is killed, in milliseconds; a minute where none is given. */
  readonly timeoutMs?: number;
  /** What it reads from its standard input. */
  readonly input?: string;
}

/** Runs `program` and collects what it prints. Never throws: a program that is not there ends with the code null. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { cwd, env, timeoutMs = 60_000, input = '' } = options;
  const child = spawn(program, args, { ...(cwd !== undefined && { cwd }), env: { ...process.env, ...env } });
  // Not `timeout` of spawn: for a program that is not there its timer is never cleared.
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // Whoever does not read its input closes it, which is no failure.
  child.stdin.on('error', () => undefined).end(input);
  return new Promise((done) => {
    const end = (ended: Ended) => {
      clearTimeout(timer);
      done(ended);
    };
    child.once('error', (error) => end({ code: null, stdout, stderr: error.message }));
    child.once('close', (code) => end({ code, stdout, stderr }));
  });
}
