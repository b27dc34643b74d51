/** The most memory that a process had in physical pages, from Linux's /proc (proc(5), proc_pid_clear_refs(5)). */
import { readFile, writeFile } from 'node:fs/promises';

/** Begins to look for the peak from now on. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** The peak in bytes. */
export async function peakResident(pid: number): Promise<number> {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}
