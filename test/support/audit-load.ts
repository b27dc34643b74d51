/** A process that does nothing but write an audit log, and says which calls it has answered. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { openAuditLog } from '../../src/audit/audit-log.ts';
import { systemClock } from '../../src/base/clock.ts';

/** Calls in flight. */
const concurrency = 64;

/**
 * Starts such a process on the log at `path`. Call after call, numbered from `first` on, is for the tenant of its number;
 * each number is printed on a line once its end is in the log.
 */
export function startAuditLoad(
  path: string,
  { first, maxFileBytes }: { first: number; maxFileBytes: number },
): ChildProcess {
  return spawn(process.execPath, [import.meta.filename, path, String(first), String(maxFileBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function load(path: string, first: number, maxFileBytes: number): Promise<void> {
  const log = await openAuditLog({
    sink: { kind: 'file', path, maxFileBytes, retentionDays: 400 },
    onFailure: 'refuse',
    clock: systemClock,
    onAlarm: () => {},
  });
  let next = first;
  const work = async () => {
    for (;;) {
      const call = next;
      next += 1;
      const ticket = log.begin({ caller: 'socket', tenant: `t${call}`, operation: 'Encrypt' });
      if (call % 10 === 0) await ticket.begun();
      await ticket.end({ outcome: 'ok' });
      writeSync(1, `${call}\n`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

if (import.meta.main) {
  const [path = '', first, maxFileBytes] = process.argv.slice(2);
  await load(path, Number(first), Number(maxFileBytes));
}
