/** How a process replaces itself by a hardened one, with a process that only notes what would become of it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hardenedFlags } from '../../../src/app/hardening-flags.ts';
import { type HardenedTerminal, harden } from '../../../src/cli/hardened.ts';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { temporaryFolder } from '../../support/daemon.ts';

type FakeProcess = NonNullable<HardenedTerminal['process']>;

/** One call that would replace the process. */
type Replacement = Parameters<NonNullable<FakeProcess['execve']>>;

const flags = ['--permission', '--disable-sigusr1'];

/** A process started by `node /keyproxy.js serve`, as it comes; every replacement fails and is noted. */
function fakeProcess(changes: Partial<FakeProcess> = {}) {
  const replacements: Replacement[] = [];
  const masks: (string | number)[] = [];
  const process: FakeProcess = {
    argv: ['/node', '/keyproxy.js', 'serve'],
    env: { NODE_OPTIONS: '--inspect --max-old-space-size=99', HOME: '/root' },
    execArgv: [],
    execPath: '/node',
    execve(...call): never {
      replacements.push(call);
      throw new Error('not on this system');
    },
    // Node's own type does not know that it may be missing.
    permission: undefined as unknown as FakeProcess['permission'],
    umask(mask: string | number = 0) {
      masks.push(mask);
      return 0;
    },
    ...changes,
  };
  return { process, replacements, masks };
}

/** Permissions in which nothing is open but reading, and what `isOpen` says. */
function permitting(isOpen: FakeProcess['permission']['has']): FakeProcess['permission'] {
  return { has: (scope, reference) => scope === 'fs.read' || isOpen(scope, reference) };
}

const closed = permitting(() => false);

/** Hardens `process` for a daemon whose socket is in `folder`. */
async function hardened(process: FakeProcess, options: { isWanted?: boolean; folder?: string } = {}) {
  const { isWanted = true, folder = '/nowhere/there' } = options;
  const file = `tenants: { directory: t }\nlisten: [{ unix: ${folder}/s }]`;
  const { config } = parseDaemonFile(file, '/etc/keyproxy.yaml', {});
  if (config === undefined) throw new Error('the configuration is wrong');
  const dropped: string[] = [];
  const onDrop = async (names: readonly string[]) => void dropped.push(...names);
  return { hardening: await harden(process, { config, isWanted, onDrop }), dropped };
}

describe('a process that is started as it comes', () => {
  it('replaces itself by the same command under the flags, without what opens it, and says so before', async () => {
    const { process, replacements } = fakeProcess();
    const { dropped } = await hardened(process);
    expect(dropped).toEqual(['--inspect']);
    expect(replacements).toEqual([
      [
        '/node',
        [
          ...['/node', '--permission', '--allow-fs-read=*'],
          ...['--allow-fs-write=/nowhere/there', '--allow-fs-write=/nowhere/there/*'],
          ...['--disable-sigusr1', '--max-old-space-size=99', '/keyproxy.js', 'serve'],
        ],
        { HOME: '/root' },
      ],
    ]);
  });

  it('goes on where the system cannot replace it, and tells what is open', async () => {
    const { execve, ...without } = fakeProcess().process;
    for (const process of [without, { ...without, ...(execve && { execve }) }]) {
      const { hardening } = await hardened(process);
      expect(hardening).toMatchObject({ kind: 'incomplete', reason: expect.stringContaining('no call') });
      expect(hardening.kind === 'incomplete' && hardening.gaps.length).toBeGreaterThan(5);
    }
  });

  it('stays as it is where that is asked for', async () => {
    const { process, replacements } = fakeProcess();
    expect((await hardened(process, { isWanted: false })).hardening.kind).toBe('switched off');
    expect(replacements).toEqual([]);
  });
});

describe('a process that has permissions', () => {
  it('is hardened where they are no more than it needs, whoever gave them, and tells where it can write', async () => {
    for (const writable of [['/nowhere/there'], []]) {
      const permission = permitting((scope, folder = '') => scope === 'fs.write' && writable.includes(folder));
      const execArgv = hardenedFlags({ writable, nativeModules: false });
      const { process, replacements } = fakeProcess({ permission, execArgv, env: {} });
      expect((await hardened(process)).hardening).toEqual({ kind: 'hardened', writable, nativeModules: false });
      expect(replacements).toEqual([]);
    }
  });

  it.each([
    ['a permission', { execArgv: [...flags, '--allow-fs-write=/etc/*'] }, '--allow-fs-write=/etc/*'],
    ['an option', { execArgv: [...flags, '--heapsnapshot-signal=SIGUSR2'] }, '--heapsnapshot-signal'],
    ['a variable', { execArgv: flags, env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }, 'NODE_TLS_REJECT_UNAUTHORIZED'],
  ])('is not hardened with %s beside, and cannot be replaced', async (_, changes, name) => {
    const { process, replacements } = fakeProcess({ env: {}, permission: closed, ...changes });
    const { hardening, dropped } = await hardened(process);
    expect(hardening).toEqual({
      kind: 'incomplete',
      gaps: [`Node was given ${name}`],
      reason: expect.stringContaining('exactly the flags'),
    });
    expect([replacements, dropped]).toEqual([[], []]);
  });

  it('is replaced where one of them is to start programs', async () => {
    const permission = permitting((scope) => scope === 'child');
    const execArgv = [...flags, '--allow-child-process', '--allow-fs-write=/etc/*', '--stack-trace-limit=5'];
    const { process, replacements } = fakeProcess({ env: {}, permission, execArgv });
    expect((await hardened(process)).dropped).toEqual(['--allow-child-process', '--allow-fs-write=/etc/*']);
    const own = hardenedFlags({ writable: ['/nowhere/there'], nativeModules: false });
    expect(replacements).toEqual([['/node', ['/node', ...own, '--stack-trace-limit=5', '/keyproxy.js', 'serve'], {}]]);
  });

  it('is not replaced again where Node does not keep to them', async () => {
    const { process, replacements } = fakeProcess({ env: {}, execArgv: flags });
    expect((await hardened(process)).hardening).toMatchObject({ kind: 'incomplete', gaps: expect.any(Array) });
    expect(replacements).toEqual([]);
  });
});

it('keeps files to the owner from then on, but has made the folder of the socket before', async () => {
  await using own = await temporaryFolder();
  const folder = join(own.path, 'run/keyproxy');
  const { process, masks } = fakeProcess();
  await hardened(process, { folder });
  expect(masks).toEqual([0o022, 0o077]);
  expect((await stat(folder)).isDirectory()).toBe(true);
});
