/** How much memory a running daemon holds on to, garbage aside. */
import { readFile } from 'node:fs/promises';
import { memoryFileVariable } from './memory-preload.ts';

/** What `process.memoryUsage()` says, in bytes. */
export type MemoryUsage = ReturnType<typeof process.memoryUsage>;

/** Longest wait for the daemon to write, in milliseconds. */
const patienceMs = 10_000;

/** What has to be in the environment of an unhardened daemon for `memoryHeld`; `file` is where it writes. */
export function recordMemory(file: string): Readonly<Record<string, string>> {
  const preload = import.meta.resolve('./memory-preload.ts');
  return { NODE_OPTIONS: `--expose-gc --import=${preload}`, [memoryFileVariable]: file };
}

/** Makes the daemon collect its garbage, and returns what it holds then. Rejects where it says nothing in time. */
export async function memoryHeld(pid: number, file: string): Promise<MemoryUsage> {
  const before = (await linesOf(file)).length;
  process.kill(pid, 'SIGUSR2');
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const line = (await linesOf(file))[before];
    if (line !== undefined) return JSON.parse(line) as MemoryUsage;
    if (performance.now() > deadline) throw new Error(`process ${pid} did not write down its memory`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** The lines that are there as a whole. */
async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').slice(0, -1);
}
