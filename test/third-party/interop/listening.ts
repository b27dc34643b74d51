/** Starts a server of ours as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts the program in `file` with `target`, and resolves once it has printed that it listens. Disposing of it kills it. */
export async function startListening(file: URL, target: string): Promise<AsyncDisposable> {
  const child = spawn(process.execPath, [fileURLToPath(file), target], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const stop = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  await listening(child).catch(async (error) => {
    await stop();
    throw error;
  });
  return { [Symbol.asyncDispose]: stop };
}

function listening(child: ChildProcess): Promise<void> {
  let printed = '';
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', () => fail(new Error(`it ended at its start:\n${printed}`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        if (printed.length < 10_000) printed += text;
        if (printed.includes('listening\n')) done();
      });
    }
  });
}
