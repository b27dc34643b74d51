/**
 * Loaded into a daemon before its own code: on SIGUSR2 it collects garbage and writes down what is left, a line of JSON
 * each time. The daemon itself has no such hook. Needs `--expose-gc`.
 */
import { appendFileSync } from 'node:fs';
import { setImmediate as immediately } from 'node:timers/promises';

/** The environment variable with the file's path. */
export const memoryFileVariable = 'KEYPROXY_TEST_MEMORY';

const file = process.env[memoryFileVariable];

async function writeDown(path: string): Promise<void> {
  // What finalizers let go of in between, buffers outside of the heap say, is garbage of the second time.
  globalThis.gc?.();
  await immediately();
  globalThis.gc?.();
  appendFileSync(path, `${JSON.stringify(process.memoryUsage())}\n`);
}

if (file !== undefined) process.on('SIGUSR2', () => void writeDown(file));
