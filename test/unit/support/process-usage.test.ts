/** What a process takes, of which this one takes some on purpose. */
import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openDescriptors, processorSeconds } from '../../support/process-usage.ts';

test('processor time grows by what is spent', async () => {
  const before = await processorSeconds(process.pid);
  const own = process.cpuUsage();
  while (process.cpuUsage(own).user < 200_000);
  const spent = (await processorSeconds(process.pid)) - before;
  expect(spent).toBeGreaterThan(0.15);
  expect(spent).toBeLessThan(5);
});

test('descriptors are those that are open', async () => {
  const before = await openDescriptors(process.pid);
  const files = await Promise.all(Array.from({ length: 50 }, () => open('/dev/null')));
  // Others of this process may come and go meanwhile, but not so many.
  expect((await openDescriptors(process.pid)) - before).toBeGreaterThan(40);
  for (const file of files) await file.close();
  expect((await openDescriptors(process.pid)) - before).toBeLessThan(10);
});
