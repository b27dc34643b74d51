/** What a process is short of, asked of the process itself. */
import { describe, expect, it } from 'vitest';
import { hardenedFlags } from '../../../src/app/hardening-flags.ts';
import { gapsOf, type Restrained } from '../../../src/app/hardening-gaps.ts';

const needs = { writable: [], nativeModules: false };

/** A hardened process, in which these scopes are open nevertheless. */
function hardened(...open: readonly string[]): Restrained {
  return {
    env: {},
    execArgv: ['--permission', '--disable-sigusr1'],
    permission: { has: (scope) => scope === 'fs.read' || open.includes(scope) },
  };
}

describe('the gaps of a process', () => {
  it('are none where it is hardened', () => {
    expect(gapsOf(hardened(), needs)).toEqual([]);
  });

  it('are all, where it was started as it comes', () => {
    const gaps = gapsOf({ env: { NODE_OPTIONS: '--inspect' }, execArgv: [] }, needs);
    expect(gaps).toHaveLength(10);
    expect(gaps).toContain('Node was given --inspect');
  });

  it('are not closed by options that only look like the permission model', () => {
    const { permission, ...process } = hardened();
    expect(permission).toBeDefined();
    expect(gapsOf(process, needs)).toContain("Node's permission model is off");
  });

  it.each([
    ['fs.write', 'write'],
    ['child', 'programs'],
    ['worker', 'worker'],
    ['wasi', 'WASI'],
    ['addon', 'native'],
    ['inspector', 'inspector'],
  ])('name the open scope %s', (scope, word) => {
    expect(gapsOf(hardened(scope), needs)).toEqual([expect.stringContaining(word)]);
  });

  it('name the signal of the inspector', () => {
    expect(gapsOf({ ...hardened(), execArgv: ['--permission'] }, needs)).toEqual(['SIGUSR1 opens the inspector']);
  });

  it('name options in the environment, which a process has that nobody replaced', () => {
    const env = { NODE_OPTIONS: '--max-old-space-size=99' };
    expect(gapsOf({ ...hardened(), env }, needs)).toEqual(['NODE_OPTIONS is set']);
  });

  it.each([
    ['--heapsnapshot-signal=SIGUSR2', '--heapsnapshot-signal'],
    ['--no-permission', '--no-permission'],
    ['--no-disable-sigusr1', '--no-disable-sigusr1'],
    ['--permission-audit', '--permission-audit'],
    ['--allow-fs-write=/etc/*', '--allow-fs-write=/etc/*'],
    ['--allow_fs_write /etc', '--allow-fs-write=/etc'],
    ['--allow-fs-write=/run/keyproxy/../etc', '--allow-fs-write=/run/keyproxy/../etc'],
    ['--allow-addons', '--allow-addons'],
  ])('name %s beside the flags, which would not be taken over', (option, name) => {
    const { execArgv, ...process } = hardened();
    const given = { ...process, execArgv: [...execArgv, ...option.split(' ')] };
    expect(gapsOf(given, { ...needs, writable: ['/run/keyproxy'] })).toEqual([`Node was given ${name}`]);
  });

  it('name a variable that would not be taken over, without its value', () => {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_ENV: 'production', NODE_VERSION: '24.0.0' };
    expect(gapsOf({ ...hardened(), env }, needs)).toEqual(['Node was given NODE_TLS_REJECT_UNAUTHORIZED']);
  });

  it('are none under the flags for these needs, or fewer, with options that are taken over', () => {
    const all = { writable: ['/run/keyproxy', '/var/log/keyproxy'], nativeModules: true };
    const [fewer, kept] = [{ ...all, writable: ['/run/keyproxy'] }, ['--max-old-space-size=99', '--use-system-ca']];
    for (const execArgv of [hardenedFlags(all), hardenedFlags(fewer), [...kept, ...hardenedFlags(all)]]) {
      expect(gapsOf({ ...hardened('addon'), execArgv }, all)).toEqual([]);
    }
    const reading = ['--allow-fs-read=/opt', '--allow-fs-read=/etc'];
    expect(gapsOf({ ...hardened(), execArgv: [...hardened().execArgv, ...reading] }, needs)).toEqual([]);
  });

  it('do not count a native module that the configuration asks for', () => {
    expect(gapsOf(hardened('addon'), { ...needs, nativeModules: true })).toEqual([]);
  });
});
