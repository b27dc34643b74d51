import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../../src/base/errors.ts';
import { createLocalKeyFile, readKeyFile } from '../../../../src/kms/local/key-file.ts';
import { temporaryFolder } from '../../../support/daemon.ts';

async function sentenceOf(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(KeyproxyError);
  expect(error).toMatchObject({ reason: 'KEY_SERVICE_MISCONFIGURED' });
  return String(error.message);
}

describe('createLocalKeyFile', () => {
  it('makes a file of 32 bytes that only its owner may use, and readKeyFile takes it', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await createLocalKeyFile(path);
    const { mode, size } = await stat(path);
    expect(size).toBe(32);
    expect(mode & 0o777).toBe(0o600);
    const key = await readKeyFile(path);
    expect(key.export()).toEqual(await readFile(path));
  });

  it('makes another key each time', async () => {
    await using folder = await temporaryFolder();
    const paths = [join(folder.path, 'a'), join(folder.path, 'b')] as const;
    for (const path of paths) await createLocalKeyFile(path);
    expect(await readFile(paths[0])).not.toEqual(await readFile(paths[1]));
  });

  it('never overwrites what is there', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await writeFile(path, 'precious');
    expect(await sentenceOf(createLocalKeyFile(path))).toContain('EEXIST');
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  it('says so where the folder is missing', async () => {
    await using folder = await temporaryFolder();
    expect(await sentenceOf(createLocalKeyFile(join(folder.path, 'none', 'key')))).toContain('ENOENT');
  });
});

describe('readKeyFile', () => {
  it('refuses a file that is not there', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    expect(await sentenceOf(readKeyFile(path))).toContain(`cannot use the key file ${path}: there is no such file`);
  });

  it('refuses a folder', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await mkdir(path, { mode: 0o700 });
    expect(await sentenceOf(readKeyFile(path))).toContain('it is not a file');
  });

  it.each([0, 16, 31, 33, 64])('refuses a file of %i bytes and says how many a key has', async (length) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await writeFile(path, Buffer.alloc(length, 7), { mode: 0o600 });
    expect(await sentenceOf(readKeyFile(path))).toContain(`it has ${length} bytes, a key has 32`);
  });

  it.each([0o640, 0o604, 0o620, 0o601, 0o666])('refuses a file of mode %o', async (mode) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await createLocalKeyFile(path);
    await chmod(path, mode);
    const sentence = await sentenceOf(readKeyFile(path));
    expect(sentence).toContain(`group or others have access (mode ${mode.toString(8)}); set it to 600`);
  });

  it('takes a file that nobody may write, as a secret mounted read-only is', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'key');
    await createLocalKeyFile(path);
    await chmod(path, 0o400);
    expect((await readKeyFile(path)).symmetricKeySize).toBe(32);
  });
});
