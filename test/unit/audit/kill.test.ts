/** A process that is killed in the middle of its work has written every entry whose call it has answered. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startAuditLoad } from '../../support/audit-load.ts';
import { entriesIn, openLog, verifiedFolder } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';

const rounds = 6;
const maxFileBytes = 150_000;

/** Runs a process until it has answered so many calls, kills it, and returns the numbers of all that it had answered. */
async function killedAfter(path: string, first: number, count: number): Promise<readonly number[]> {
  const child = startAuditLoad(path, { first, maxFileBytes });
  const gone = once(child, 'exit');
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    if (text.split('\n').length > count) child.kill('SIGKILL');
  }
  expect(await gone).toEqual([null, 'SIGKILL']);
  return text.split('\n').slice(0, -1).map(Number);
}

it('kill -9 loses no entry whose call was answered, and the chain goes on after it', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const answered: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    answered.push(...(await killedAfter(path, round * 1_000_000, 300 + round * 171)));
  }
  const { log } = await openLog({ path, maxFileBytes });
  await log.note({ caller: 'socket', tenant: 'after', operation: 'Encrypt' }, { outcome: 'ok' });
  await log[Symbol.asyncDispose]();
  const ended = new Set<unknown>();
  const begun = new Set<unknown>();
  const names = readdirSync(folder.path);
  for (const { phase, tenant } of names.flatMap((name) => entriesIn(join(folder.path, name)))) {
    if (phase !== 'begin') ended.add(tenant);
    if (phase !== 'end') begun.add(tenant);
  }
  expect(answered.length).toBeGreaterThan(rounds * 300);
  expect(answered.filter((call) => !ended.has(`t${call}`) || !begun.has(`t${call}`))).toEqual([]);
  expect(names.length).toBeGreaterThan(2);
  const report = await verifiedFolder(folder.path);
  expect(report.faults).toEqual([]);
  expect(report.lostEntries).toBe(0);
}, 60_000);
