/** What is kept on disk: whole or not there, for nobody else to read, and never a reason to fail later than at the start. */
import { chmod, type FileHandle, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { StartupError } from '../../../src/app/startup-error.ts';
import { StateFolder } from '../../../src/app/state-folder.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { leaveDeadSocket } from '../../support/dead-socket.ts';
import { withoutUnixSockets } from '../../support/no-unix-sockets.ts';

let parent: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  parent = await temporaryFolder();
});
afterEach(() => parent[Symbol.asyncDispose]());

/** A folder that is let go of when the test has finished. */
async function folderAt(path: string): Promise<StateFolder> {
  const folder = await StateFolder.at(path);
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return folder;
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the folder of the state', () => {
  it('is made where it is missing, for its owner alone, and so are its files', async () => {
    const path = join(parent.path, 'a', 'b');
    const folder = await folderAt(path);
    await folder.write('x.json', 'text');
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, 'x.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(path)).toEqual(['lock', 'x.json']);
    expect(await folder.read('x.json')).toBe('text');
  });

  it('says so where its file system has no Unix sockets', async () => {
    withoutUnixSockets();
    const path = join(parent.path, 'state');
    const problem = 'no Unix socket can be made there (EPERM); choose a folder on a file system that has them';
    expect(await failureOf(StateFolder.at(path))).toMatchObject({
      name: 'StartupError',
      message: `cannot use the folder ${path} of state.directory: ${problem}`,
    });
  });

  it('has no file where none was written', async () => {
    const folder = await folderAt(join(parent.path, 'state'));
    expect(await folder.read('x.json')).toBeUndefined();
    await folder.remove('x.json');
  });

  it('replaces a file in one step: whoever reads meanwhile sees the one or the other', async () => {
    const folder = await folderAt(join(parent.path, 'state'));
    const texts = ['a'.repeat(100_000), 'b'.repeat(100_000)];
    await folder.write('x.json', texts[0] ?? '');
    const writes = Array.from({ length: 20 }, (_, i) => folder.write('x.json', texts[i % 2] ?? ''));
    for (let i = 0; i < 50; i++) expect(texts).toContain(await readFile(join(folder.path, 'x.json'), 'utf8'));
    await Promise.all(writes);
    expect(await readdir(folder.path)).toEqual(['lock', 'x.json']);
  });

  it('has a write on the disk before it says so: the file, its new name, and then the folder', async () => {
    const folder = await folderAt(join(parent.path, 'state'));
    const synced: string[] = [];
    await using _watched = await watchedSync(async (handle) => {
      const isFolder = (await handle.stat()).isDirectory();
      synced.push(
        `${isFolder ? 'folder' : 'file'} while there is ${(await readdir(folder.path)).filter((name) => name !== 'lock').join()}`,
      );
    });
    await folder.write('x.json', 'text');
    expect(synced).toEqual([
      expect.stringMatching(/^file while there is \.x\.json\.\d+\.\d+$/),
      'folder while there is x.json',
    ]);
  });

  it('fails a write whose folder does not come to the disk', async () => {
    const folder = await folderAt(join(parent.path, 'state'));
    await using _watched = await watchedSync(async (handle) => {
      if ((await handle.stat()).isDirectory()) throw new Error('EIO');
    });
    await expect(folder.write('x.json', 'text')).rejects.toThrow('EIO');
  });

  it('belongs to one process: a second one is refused before it touches anything, and is let in after the first', async () => {
    const path = join(parent.path, 'state');
    const first = await folderAt(path);
    await writeFile(join(path, '.key-ids.json.7.7'), 'half');
    const failure = await failureOf(StateFolder.at(path));
    expect(failure).toBeInstanceOf(StartupError);
    expect(String(failure)).toMatch(/another process has it; stop that one or choose another folder/);
    expect(await readdir(path)).toContain('.key-ids.json.7.7');
    await first[Symbol.asyncDispose]();
    await folderAt(path);
    expect(await readdir(path)).toEqual(['lock']);
  });

  it('belongs to one of two that start at once over what a killed one left, and the other is told so', async () => {
    for (let round = 0; round < 20; round++) {
      const path = join(parent.path, `state${round}`);
      await mkdir(path);
      await leaveDeadSocket(join(path, 'lock'));
      const both = await Promise.allSettled([folderAt(path), folderAt(path)]);
      const losers = both.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
      expect(losers).toEqual([expect.stringMatching(/another process has it; stop that one/)]);
    }
  });

  it('does not remove what stands in the place of its lock', async () => {
    const path = join(parent.path, 'state');
    await mkdir(path);
    await writeFile(join(path, 'lock'), 'mine');
    expect(String(await failureOf(StateFolder.at(path)))).toMatch(/lock in it is not a socket; move it away/);
    expect(await readFile(join(path, 'lock'), 'utf8')).toBe('mine');
  });

  it('says at the start that it cannot be made', async () => {
    await writeFile(join(parent.path, 'file'), '');
    const failure = await failureOf(StateFolder.at(join(parent.path, 'file', 'state')));
    expect(failure).toBeInstanceOf(StartupError);
    expect(String(failure)).toMatch(/cannot make the folder .* of state\.directory: ENOTDIR/);
  });

  it.skipIf(process.getuid?.() === 0)(
    'says at the start that it cannot be written to, needs another user than root',
    async () => {
      const path = join(parent.path, 'state');
      await mkdir(path);
      await chmod(path, 0o500);
      expect(String(await failureOf(StateFolder.at(path)))).toMatch(/cannot write to the folder .*: EACCES/);
    },
  );
});

/** Calls `watch` before each fsync of this process, until it is disposed. */
async function watchedSync(watch: (handle: FileHandle) => Promise<void>): Promise<AsyncDisposable> {
  await using some = await open(parent.path);
  const prototype: FileHandle = Object.getPrototypeOf(some);
  const { sync } = prototype;
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    await watch(this);
    await sync.call(this);
  });
  return { [Symbol.asyncDispose]: async () => void spy.mockRestore() };
}
