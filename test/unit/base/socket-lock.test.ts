/** A lock has one holder: over what a dead process left, at the same moment, and in folders that are not as they should be. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { type LockAttempt, takeLock } from '../../../src/base/socket-lock.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { leaveDeadSocket } from '../../support/dead-socket.ts';

const module = new URL('../../../src/base/socket-lock.ts', import.meta.url).href;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

async function giveBack(attempts: readonly LockAttempt[]): Promise<void> {
  for (const attempt of attempts) if (attempt.kind === 'held') await attempt.lock[Symbol.asyncDispose]();
}

it.each([
  [2, 'nothing', async () => {}],
  [2, 'the socket of a dead process', leaveDeadSocket],
  [5, 'nothing', async () => {}],
  [5, 'the socket of a dead process', leaveDeadSocket],
] as const)('of %i who start at once over %s one has it and the others are told', async (starters, _, prepare) => {
  for (let round = 0; round < 30; round++) {
    const path = join(folder.path, `lock${round}`);
    await prepare(path);
    const all = await Promise.all(Array.from({ length: starters }, () => takeLock(path)));
    expect(all.map(({ kind }) => kind).sort()).toEqual(['held', ...Array(starters - 1).fill('taken')]);
    expect(await takeLock(path)).toEqual({ kind: 'taken' });
    await giveBack(all);
  }
  expect(await readdir(folder.path)).toEqual([]);
});

/** A process that takes the lock at `path`, and stops before or is killed after its socket gets the lock's name. */
function starter(path: string, end: 'stopped before' | 'killed before' | 'killed after') {
  const script = `
    const files = require('node:fs/promises');
    const rename = files.rename;
    files.rename = async (...names) => {
      if (${JSON.stringify(end)} === 'killed after') await rename(...names);
      if (${JSON.stringify(end)} !== 'stopped before') process.kill(process.pid, 'SIGKILL');
      console.log('there');
      await new Promise((go) => process.stdin.once('data', go));
      await rename(...names);
    };
    require('node:module').syncBuiltinESMExports();
    import(${JSON.stringify(module)}).then(async ({ takeLock }) => {
      console.log((await takeLock(${JSON.stringify(path)})).kind);
      process.stdin.resume();
    });`;
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

it.each(['killed before', 'killed after'] as const)(
  'is free for the next one where a process was %s its socket got the name',
  async (end) => {
    const path = join(folder.path, 'lock');
    await leaveDeadSocket(path);
    await once(starter(path, end), 'exit');
    expect(await readdir(folder.path)).toHaveLength(end === 'killed before' ? 2 : 1);
    const next = await takeLock(path);
    expect(next.kind).toBe('held');
    expect(await readdir(folder.path)).toEqual(['lock']);
    await giveBack([next]);
  },
);

it('is nobody else’s while a process is held up on its way to it, and that one’s afterwards', async () => {
  const path = join(folder.path, 'lock');
  await leaveDeadSocket(path);
  const slow = starter(path, 'stopped before');
  expect(String(await once(slow.stdout, 'data'))).toBe('there\n');
  expect(await takeLock(path)).toEqual({ kind: 'taken' });
  slow.stdin.write('go');
  expect(String(await once(slow.stdout, 'data'))).toBe('held\n');
  expect(await takeLock(path)).toEqual({ kind: 'taken' });
  expect(await readdir(folder.path)).toEqual(['lock']);
});

it('has nothing to do with another lock in the same folder', async () => {
  const slow = starter(join(folder.path, 'one'), 'stopped before');
  await once(slow.stdout, 'data');
  const other = await takeLock(join(folder.path, 'other'));
  expect(other.kind).toBe('held');
  await giveBack([other]);
});

it('tells a file system without Unix sockets from other failures', async () => {
  // What bind(2) answers on FAT; /sys answers alike, but to root alone.
  const listen = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listen.mockRestore());
  for (const [code, kind] of [
    ['EPERM', 'unsupported'],
    ['ENOTSUP', 'unsupported'],
    ['ENOSPC', 'failed'],
  ] as const) {
    listen.mockImplementationOnce(function (this: Server) {
      process.nextTick(() => this.emit('error', Object.assign(new Error(code), { code })));
      return this;
    });
    expect(await takeLock(join(folder.path, 'lock'))).toMatchObject({ kind, cause: { code } });
  }
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
