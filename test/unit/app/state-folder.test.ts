/** What is kept on disk: whole or not there, for nobody else to read, and never a reason to fail later than at the start. */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartupError } from '../../../src/app/startup-error.ts';
import { StateFolder } from '../../../src/app/state-folder.ts';
import { temporaryFolder } from '../../support/daemon.ts';

let parent: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  parent = await temporaryFolder();
});
afterEach(() => parent[Symbol.asyncDispose]());

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the folder of the state', () => {
  it('is made where it is missing, for its owner alone, and so are its files', async () => {
    const path = join(parent.path, 'a', 'b');
    const folder = await StateFolder.at(path);
    await folder.write('x.json', 'text');
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, 'x.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(path)).toEqual(['x.json']);
    expect(await folder.read('x.json')).toBe('text');
  });

  it('has no file where none was written', async () => {
    const folder = await StateFolder.at(join(parent.path, 'state'));
    expect(await folder.read('x.json')).toBeUndefined();
    await folder.remove('x.json');
  });

  it('replaces a file in one step: whoever reads meanwhile sees the one or the other', async () => {
    const folder = await StateFolder.at(join(parent.path, 'state'));
    const texts = ['a'.repeat(100_000), 'b'.repeat(100_000)];
    await folder.write('x.json', texts[0] ?? '');
    const writes = Array.from({ length: 20 }, (_, i) => folder.write('x.json', texts[i % 2] ?? ''));
    for (let i = 0; i < 50; i++) expect(texts).toContain(await readFile(join(folder.path, 'x.json'), 'utf8'));
    await Promise.all(writes);
    expect(await readdir(folder.path)).toEqual(['x.json']);
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
