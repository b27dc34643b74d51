/** A lock has one holder: over what a dead process left, at the same moment, and in folders that are not as they should be. */
import { chmod, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LockAttempt, takeLock } from '../../../src/base/socket-lock.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { leaveDeadSocket } from '../../support/dead-socket.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

async function giveBack(attempts: readonly LockAttempt[]): Promise<void> {
  for (const attempt of attempts) if (attempt.kind === 'held') await attempt.lock[Symbol.asyncDispose]();
}

it.each([
  ['the socket of a dead process', leaveDeadSocket],
  ['nothing', async () => {}],
] as const)('of two who start at once over %s one has it and the other is told', async (_, prepare) => {
  const seen = new Set<string>();
  for (let round = 0; round < 60; round++) {
    const path = join(folder.path, `lock${round}`);
    await prepare(path);
    const both = await Promise.all([takeLock(path), takeLock(path)]);
    seen.add(
      both
        .map(({ kind }) => kind)
        .sort()
        .join(' '),
    );
    expect(await takeLock(path)).toEqual({ kind: 'taken' });
    await giveBack(both);
  }
  expect([...seen]).toEqual(['held taken']);
  expect(await readdir(folder.path)).toEqual([]);
});

it('is free once it was given back, and leaves nothing', async () => {
  const path = join(folder.path, 'lock');
  for (let i = 0; i < 3; i++) {
    const attempt = await takeLock(path);
    expect(attempt.kind).toBe('held');
    expect(await readdir(folder.path)).toEqual(['lock']);
    await giveBack([attempt]);
  }
  expect(await readdir(folder.path)).toEqual([]);
});

it('does not take away at its end what somebody else has put in its place', async () => {
  const path = join(folder.path, 'lock');
  const first = await takeLock(path);
  await leaveDeadSocket(join(folder.path, 'other'));
  await rename(join(folder.path, 'other'), path);
  const second = await takeLock(path);
  expect(second.kind).toBe('held');
  await giveBack([first]);
  expect(await takeLock(path)).toEqual({ kind: 'taken' });
  await giveBack([second]);
});

it('has a name and a path as long as the system lets them be', async () => {
  const deep = join(folder.path, 'd'.repeat(150));
  await mkdir(deep);
  const path = join(deep, 'n'.repeat(255));
  const first = await takeLock(path);
  expect(first.kind).toBe('held');
  expect(await takeLock(path)).toEqual({ kind: 'taken' });
  await giveBack([first]);
});

it('leaves alone what is no socket', async () => {
  const path = join(folder.path, 'lock');
  await writeFile(path, 'mine');
  expect(await takeLock(path)).toEqual({ kind: 'no_socket' });
});

it.skipIf(process.getuid?.() === 0)(
  'says why the socket of a dead process cannot be replaced, needs another user than root',
  async () => {
    const closed = join(folder.path, 'closed');
    await mkdir(closed);
    await leaveDeadSocket(join(closed, 'lock'));
    await chmod(closed, 0o500);
    expect(await takeLock(join(closed, 'lock'))).toMatchObject({ kind: 'failed', cause: { code: 'EACCES' } });
    await chmod(closed, 0o700);
  },
);
