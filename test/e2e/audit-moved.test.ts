/** A file of the audit log that is taken away from a daemon that writes it: it is told, and nothing more is lost. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect } from '../support/client.ts';
import { runKeyproxy, startDaemon } from '../support/daemon.ts';
import { daemonFolder, localTenant } from '../support/daemon-folder.ts';

const call = { tenant_id: 'a', plaintext: Buffer.from('{"order":17}') };

/** Longer than a daemon goes without looking whether it still has its file, in milliseconds. */
const lookMs = 1_100;

test('a file that was moved away is told of, and the chain is whole once it is back', async () => {
  await using folder = await daemonFolder({
    tenants: { 'a.yaml': localTenant('a') },
    extra: 'allow_local: true\naudit: { path: log/audit.jsonl }',
  });
  const [file, moved] = [join(folder.path, 'log/audit.jsonl'), join(folder.path, 'moved')];
  await using daemon = await startDaemon(folder.start);
  using client = connect(daemon.socket);
  await client.call('Encrypt', call);
  await rename(file, moved);
  await sleep(lookMs);
  await client.call('Encrypt', call);
  expect(daemon.output()).toContain('the file of the audit log was moved or deleted, the chain goes on in a new one');
  const block = Number(/"block":(\d+)/.exec(daemon.output())?.[1]);
  expect(await daemon.stop()).toBe(0);

  const gone = await runKeyproxy(['audit', 'verify', file]);
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining(`--from ${block} where they were deleted`)]);
  expect((await runKeyproxy(['audit', 'verify', file, '--from', String(block)])).code).toBe(0);
  const [first, last] = [1, block - 1].map((number) => String(number).padStart(12, '0'));
  await rename(moved, `${file}.${first}-${last}`);
  const whole = await runKeyproxy(['audit', 'verify', join(folder.path, 'log')]);
  expect([whole.code, whole.stdout]).toEqual([0, expect.stringMatching(/^\d entries in \d blocks of 2 files/)]);
  const shown = await runKeyproxy(['audit', 'show', join(folder.path, 'log'), '--json']);
  expect(
    shown.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).outcome),
  ).toEqual(['ok', 'ok']);
});
