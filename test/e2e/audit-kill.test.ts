/** A daemon that is killed has recorded every call that it answered, and its log holds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { connect } from '../support/client.ts';
import { runKeyproxy, startDaemon } from '../support/daemon.ts';
import { daemonFolder, localTenant } from '../support/daemon-folder.ts';

const plaintext = Buffer.from('{"order":17}');
const tenants = { 'a.yaml': localTenant('a') };

test('kill -9 in the middle of calls loses no entry of one that was answered', async () => {
  await using folder = await daemonFolder({ tenants, extra: 'allow_local: true\naudit: { path: audit.jsonl }' });
  const file = join(folder.path, 'audit.jsonl');
  let answered = 0;
  {
    await using daemon = await startDaemon(folder.start);
    using client = connect(daemon.socket);
    await client.call('Encrypt', { tenant_id: 'a', plaintext });
    answered += 1;
    const callers = Array.from({ length: 64 }, async () => {
      for (;;) {
        await client.call('Encrypt', { tenant_id: 'a', plaintext });
        answered += 1;
      }
    });
    const ended = Promise.allSettled(callers);
    await vi.waitFor(() => expect(answered).toBeGreaterThan(500), { timeout: 20_000 });
    daemon.process.kill('SIGKILL');
    await ended;
  }
  const entries = (text: string) => text.split('\n').filter((line) => line.includes('"outcome":"ok"')).length;
  expect(entries(await readFile(file, 'utf8'))).toBeGreaterThanOrEqual(answered);
  // The next one goes on with the chain.
  await using again = await startDaemon(folder.start);
  using client = connect(again.socket);
  await client.call('Encrypt', { tenant_id: 'a', plaintext });
  await again.stop();
  const { code, stdout } = await runKeyproxy(['audit', 'verify', file]);
  expect([code, stdout]).toEqual([0, expect.stringContaining('the chain is whole')]);
});

test('nobody is answered before the log has taken the outcome', async () => {
  await using folder = await daemonFolder({ tenants, extra: 'allow_local: true\naudit: { path: stdout }' });
  await using daemon = await startDaemon(folder.start);
  using client = connect(daemon.socket);
  const calls = 3_000;
  let answered = 0;
  await client.call('Encrypt', { tenant_id: 'a', plaintext });
  // Whoever collects the log takes nothing for a while: what the pipe holds are the entries of some hundred calls.
  daemon.process.stdout?.pause();
  const all = Array.from({ length: calls }, async () => {
    await client.call('Encrypt', { tenant_id: 'a', plaintext });
    answered += 1;
  });
  const ended = Promise.all(all);
  for (let before = -1; before !== answered; await sleep(700)) before = answered;
  expect(answered).toBeLessThan(calls);
  daemon.process.stdout?.resume();
  await ended;
});
