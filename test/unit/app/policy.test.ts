/** The policy's file while the daemon runs: what changes counts, what is bad does not. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { PolicyInForce } from '../../../src/app/policy.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { ConfigError } from '../../../src/config/problem.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const allow = (operation: string) => `rules: [{ callers: [socket], tenants: [a], operations: [${operation}] }]\n`;

async function bench(text: string) {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'policy.yaml');
  await writeFile(path, text);
  const clock = new FakeClock();
  const events: string[] = [];
  const policy = await PolicyInForce.open({ kind: 'file', path });
  const watch = policy.watch({
    clock,
    onChange: () => events.push('changed'),
    onProblems: (problems) => events.push(...problems.map(({ line }) => `problem in line ${line}`)),
  });
  return {
    path,
    events,
    watch,
    allowed: () => [...policy.access({ kind: 'socket' })(parseTenantId('a'))],
    /** Until the file has been looked at. */
    async look(isSeen: () => void) {
      await vi.waitFor(() => {
        clock.advance(2_000);
        isSeen();
      });
    },
    [Symbol.asyncDispose]: async () => {
      watch[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('a file that changes is in force, and one that cannot be used leaves the last good one', async () => {
  await using scene = await bench(allow('encrypt'));
  const { path, events, allowed, look } = scene;
  expect(allowed()).toEqual(['encrypt']);
  const put = (text: string) => writeFile(`${path}.new`, text).then(() => rename(`${path}.new`, path));
  await put(allow('decrypt'));
  await look(() => expect(allowed()).toEqual(['decrypt']));
  await put(allow('read'));
  await look(() => expect(events).toEqual(['changed', 'problem in line 1']));
  await rm(path);
  await look(() => expect(events).toEqual(['changed', 'problem in line 1', 'problem in line 0']));
  for (let i = 0; i < 5; i++) await look(() => expect(allowed()).toEqual(['decrypt']));
  expect(events).toHaveLength(3);
  await put(allow('encrypt'));
  await look(() => expect(allowed()).toEqual(['encrypt']));
});

test('one that cannot be used at the start is an error', async () => {
  await expect(bench(allow('read'))).rejects.toThrow(ConfigError);
  await expect(PolicyInForce.open({ kind: 'file', path: '/none/policy.yaml' })).rejects.toThrow(/cannot be read/);
});

test('rules that are built in need no watch', async () => {
  const policy = await PolicyInForce.open({
    kind: 'rules',
    rules: [{ callers: ['socket'], tenants: ['*'], operations: ['*'] }],
  });
  using _watch = policy.watch({ clock: new FakeClock(), onChange() {}, onProblems() {} });
  expect(policy.access({ kind: 'socket' })(parseTenantId('a')).size).toBe(6);
});
