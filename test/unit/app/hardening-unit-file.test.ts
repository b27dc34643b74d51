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

/** The settings of the section [Service]; a setting may be there more than once. */
async function settings(): Promise<ReadonlyMap<string, readonly string[]>> {
  const [, service = ''] = (await readFile(unitFile, 'utf8')).split(/^\[(?:Service|Install)\]$/m);
  const found = new Map<string, string[]>();
  for (const [, name = '', value = ''] of service.matchAll(/^(\w+)=(.*)$/gm)) {
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
