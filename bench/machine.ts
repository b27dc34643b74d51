/** What Linux tells of processes and processors, under `/proc`; elsewhere there is nothing to read. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Ticks a second of the times in `/proc` (proc(5), USER_HZ). */
const ticks = 100;

/** Seconds of processor time that a process has taken so far; NaN where nobody tells. */
export function processorSeconds(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) / ticks;
}

/** Memory of a process in MiB: resident, and its proportional share; NaN where nobody tells. */
export function memory(pid: number): { rss: number; pss: number } {
  const text = read(`/proc/${pid}/smaps_rollup`);
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
  return { rss: of('Rss'), pss: of('Pss') };
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Whether processes can be tied to processors of their own here. */
export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** A command line that runs on one processor, where the machine has a way to say so: the server on 0, clients on 1. */
export function pinned(role: 'server' | 'client', command: readonly [string, ...string[]]): [string, ...string[]] {
  return canPin ? ['taskset', '-c', role === 'server' ? '0' : '1', ...command] : [...command];
}

/** The middle of an odd number of figures, the mean of the two in the middle of an even one. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
