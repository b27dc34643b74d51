/** Starts a moto server, an emulation of AWS by others (https://docs.getmoto.org/en/latest/docs/server_mode.html). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface MotoServer extends AsyncDisposable {
  /** Base address of KMS, STS and all the rest. */
  readonly endpoint: string;
}

const startMs = 60_000;

/** Starts one on a free loopback port, from the environment that moto was installed in. */
export async function startMoto(folder: string): Promise<MotoServer> {
  const child = spawn(join(folder, 'bin/python'), ['-u', '-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((done) => child.once('close', () => done()));
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  let output = '';
  const endpoint = await new Promise<string>((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`moto did not start in time:\n${output}`)), startMs);
    // It prints a line for each request afterwards; they are read, so that it never waits for a reader.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < 100_000) output += text;
      const address = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      done(address);
    });
    child.once('error', fail);
    child.once('exit', () => fail(new Error(`moto ended at its start:\n${output}`)));
  }).catch(async (error) => {
    await stop();
    throw error;
  });
  return { endpoint, [Symbol.asyncDispose]: stop };
}
