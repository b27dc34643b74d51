/** When compiled code is used, and what a hardened process is allowed for it. The whole way is in test/third-party/image. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hardenedFlags } from '../../../src/app/hardening-flags.ts';
import { useCompiled } from '../../../src/cli/compiled.ts';
import { temporaryFolder } from '../../support/daemon.ts';

describe('compiled code', () => {
  it('is not used where this process could write it, nor is a folder made for it', async () => {
    await using folder = await temporaryFolder();
    const before = getCompileCacheDir();
    await mkdir(join(folder.path, 'writable'));
    expect(useCompiled(join(folder.path, 'writable'))).toBeUndefined();
    expect(useCompiled(join(folder.path, 'missing'))).toBeUndefined();
    expect(existsSync(join(folder.path, 'missing'))).toBe(false);
    expect(getCompileCacheDir()).toBe(before);
  });

  it('is within what the permission model lets a hardened process have, and nothing is where there is none', () => {
    const needs = { writable: ['/run/keyproxy'], nativeModules: false };
    const compiled = '/opt/keyproxy/compiled';
    const added = [`--allow-fs-write=${compiled}`, `--allow-fs-write=${compiled}/*`];
    const [without, withIt] = [hardenedFlags(needs), hardenedFlags({ ...needs, compiled })];
    expect(withIt.filter((flag) => !without.includes(flag))).toEqual(added);
    expect(without.filter((flag) => !withIt.includes(flag))).toEqual([]);
  });
});
