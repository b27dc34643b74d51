/** A command line run in this process: the real thing but for the process, where only its words and its code matter. */
import { run } from '../../src/cli/run.ts';

/** Runs `keyproxy` with nothing in its environment but `env`. */
export async function commandHere(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const code = await run(args, {
    env: options.env ?? {},
    cwd: options.cwd ?? '/',
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    // One that serves after all stops at once, with another code than was due.
    untilSignal: () => Promise.resolve('SIGTERM'),
  });
  return { code, stdout, stderr };
}
