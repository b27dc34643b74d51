/** What a process is short of, asked of the process itself. */
import { describe, expect, it } from 'vitest';
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
    expect(gapsOf({ env: { NODE_OPTIONS: '--inspect' }, execArgv: [] }, needs)).toHaveLength(9);
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
    expect(gapsOf({ ...hardened(), env: { NODE_OPTIONS: '--inspect' } }, needs)).toEqual(['NODE_OPTIONS is set']);
  });

  it('do not count a native module that the configuration asks for', () => {
    expect(gapsOf(hardened('addon'), { ...needs, nativeModules: true })).toEqual([]);
  });
});
