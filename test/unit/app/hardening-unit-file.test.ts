/** The unit file for systemd: what an auditor looks for is there, and systemd itself has nothing to say against it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/daemon.ts';

const run = promisify(execFile);
const unitFile = resolve(import.meta.dirname, '../../../deploy/systemd/keyproxy.service');
const analyze = '/usr/bin/systemd-analyze';

/** The settings of a section; a setting may be there more than once. */
async function settings(section = 'Service'): Promise<ReadonlyMap<string, readonly string[]>> {
  const [, ...parts] = (await readFile(unitFile, 'utf8')).split(/^\[(?=\w+\]$)/m);
  const text = parts.find((part) => part.startsWith(`${section}]`)) ?? '';
  const found = new Map<string, string[]>();
  for (const [, name = '', value = ''] of text.matchAll(/^(\w+)=(.*)$/gm)) {
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

describe('the unit file', () => {
  it.each([
    ['LimitCORE', '0'],
    ['MemorySwapMax', '0'],
    ['UMask', '0077'],
    ['User', 'keyproxy'],
    ['NoNewPrivileges', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['ProtectProc', 'invisible'],
    ['PrivateTmp', 'yes'],
    ['RuntimeDirectory', 'keyproxy'],
    ['StateDirectory', 'keyproxy'],
    ['LogsDirectory', 'keyproxy'],
    ['RestrictNamespaces', 'yes'],
  ])('sets %s to %j', async (name, value) => {
    expect((await settings()).get(name)).toEqual([value]);
  });

  it('starts a hardened daemon: no option of Node, none that leaves the hardening out', async () => {
    expect((await settings()).get('ExecStart')).toEqual([
      '/usr/local/bin/node /opt/keyproxy/keyproxy.js serve --config /etc/keyproxy/keyproxy.yaml',
    ]);
  });

  it('starts the daemon again after every failure, for as long as it takes, except one that trying does not mend', async () => {
    const service = await settings();
    expect(service.get('Restart')).toEqual(['on-failure']);
    expect(service.get('RestartSec')).toEqual(['2']);
    expect(service.get('RestartPreventExitStatus')).toEqual(['64 78']);
    // Of the unit, not of the service: no number of starts is too many.
    expect((await settings('Unit')).get('StartLimitIntervalSec')).toEqual(['0']);
  });

  it.skipIf(!existsSync(analyze))('is one that systemd takes and calls safe (skipped without systemd)', async () => {
    await using folder = await temporaryFolder();
    const copy = join(folder.path, 'keyproxy.service');
    const text = await readFile(unitFile, 'utf8');
    await writeFile(copy, text.replaceAll('/usr/local/bin/node', process.execPath));
    expect((await run(analyze, ['verify', copy])).stderr).not.toContain('keyproxy.service');
    // Of 10, in tenths: 0 is no exposure at all.
    await run(analyze, ['security', '--offline=true', '--threshold=20', copy]);
  });
});
