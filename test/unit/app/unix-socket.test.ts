/** Where a Unix socket may be made: a stale one is replaced, a live one never, and nobody else gets in early. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { StartupError } from '../../../src/app/startup-error.ts';
import { claimSocket, withSocketMode } from '../../../src/app/unix-socket.ts';
import { temporaryFolder } from '../../support/daemon.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
});

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(path, done);
  });
  servers.push(server);
  return server;
}

/** A socket whose owner died without a word. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen(process.argv[1], () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const answers = (path: string) =>
  new Promise<boolean>((done) => {
    const probe = createConnection(path, () => done(true));
    probe.once('error', () => done(false));
    probe.once('connect', () => probe.destroy());
  });

describe('claimSocket', () => {
  it('makes the folders, which others can pass through and only the owner can write to', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a/b/keyproxy.sock');
    await claimSocket(path);
    expect((await modeOf(dirname(path))) & 0o022).toBe(0);
    await listen(path);
    expect(await answers(path)).toBe(true);
  });

  it('leaves the permissions of a folder that is there alone', async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o750);
    await claimSocket(join(folder.path, 'keyproxy.sock'));
    expect(await modeOf(folder.path)).toBe(0o750);
  });

  it('replaces a stale socket', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keyproxy.sock');
    await leaveStale(path);
    expect((await stat(path)).isSocket()).toBe(true);
    await claimSocket(path);
    await listen(path);
    expect(await answers(path)).toBe(true);
  });

  it('never takes a socket that somebody answers on', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keyproxy.sock');
    await listen(path);
    const { ino } = await stat(path);
    await expect(claimSocket(path)).rejects.toThrow('another process answers there');
    expect((await stat(path)).ino).toBe(ino);
    expect(await answers(path)).toBe(true);
  });

  it('does not touch what is no socket', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keyproxy.sock');
    await writeFile(path, 'precious');
    await expect(claimSocket(path)).rejects.toThrow(StartupError);
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  it('does not follow a link to a socket', async () => {
    await using folder = await temporaryFolder();
    const [path, link] = [join(folder.path, 'a.sock'), join(folder.path, 'b.sock')];
    await leaveStale(path);
    await symlink(path, link);
    await expect(claimSocket(link)).rejects.toThrow('not a socket');
    expect((await stat(path)).isSocket()).toBe(true);
  });

  it('says that the folder cannot be made', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    await expect(claimSocket(join(file, 'keyproxy.sock'))).rejects.toThrow(
      /cannot make the folder of the socket .*: E/,
    );
  });
});

describe('withSocketMode', () => {
  it.each([0o600, 0o660, 0o666])('sets the mode %i, and lets nobody but the owner in before', async (mode) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keyproxy.sock');
    const before = process.umask();
    const early = await withSocketMode(path, mode, async () => {
      await listen(path);
      return await modeOf(path);
    });
    expect(early & 0o077).toBe(0);
    expect(await modeOf(path)).toBe(mode);
    expect(process.umask()).toBe(before);
  });

  it('leaves files that are made meanwhile to their owner, readable and writable', async () => {
    await using folder = await temporaryFolder();
    const [path, file] = [join(folder.path, 'keyproxy.sock'), join(folder.path, 'file')];
    await withSocketMode(path, 0o660, async () => {
      await listen(path);
      await writeFile(file, 'x');
    });
    expect(await modeOf(file)).toBe(0o600);
  });

  it('restores the mask where the socket cannot be made', async () => {
    await using folder = await temporaryFolder();
    const before = process.umask();
    const bind = () => Promise.reject(new Error('in use'));
    await expect(withSocketMode(join(folder.path, 'x'), 0o660, bind)).rejects.toThrow('in use');
    expect(process.umask()).toBe(before);
  });
});
