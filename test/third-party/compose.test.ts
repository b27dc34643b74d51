/** deploy/compose: Docker Compose's own library takes the file, and keyproxy takes the files that it mounts. */
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDaemonFile } from '../../src/config/daemon-file.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { commandHere } from '../support/daemon-command.ts';
import { projectRoot } from '../support/pages.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const loader = folderOf('compose');
const folder = join(projectRoot, 'deploy/compose');

function load(file: string) {
  return run(join(loader ?? '', 'compose'), [file]);
}

describe.skipIf(loader === undefined)('compose.yaml', () => {
  it('is a project of two services that cannot write, gain privileges, or be anybody else', async () => {
    const { code, stdout, stderr } = await load(join(folder, 'compose.yaml'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { services } = JSON.parse(stdout);
    expect(Object.keys(services).sort()).toEqual(['application', 'keyproxy']);
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    }
    const { keyproxy, application } = services;
    expect(keyproxy).toMatchObject({
      user: '65532:65532',
      command: ['serve', '--config', '/etc/keyproxy/keyproxy.yaml'],
    });
    expect(keyproxy.mem_limit).toBe(keyproxy.memswap_limit);
    expect(keyproxy.ports).toBeUndefined();
    expect(application.depends_on).toMatchObject({ keyproxy: { condition: 'service_healthy' } });
    expect(application.group_add).toEqual(['65532']);
    for (const { type, source, target, read_only } of [...keyproxy.volumes, ...application.volumes]) {
      if (type === 'bind') expect({ target, read_only }).toEqual({ target, read_only: true });
      else expect([source, target]).toEqual(['socket', '/run/keyproxy']);
    }
  });

  it('has nothing at a place that is not there, but what npm ci brings', async () => {
    const { services } = JSON.parse((await load(join(folder, 'compose.yaml'))).stdout);
    const sources: string[] = Object.values<{ volumes: { type: string; source: string }[] }>(services)
      .flatMap(({ volumes }) => volumes)
      .flatMap(({ type, source }) => (type === 'bind' ? [source] : []));
    expect(sources.length).toBeGreaterThan(3);
    const missing = sources.filter(
      (source) => !readdirSync(resolve(folder, source, '..')).includes(source.split('/').at(-1) ?? ''),
    );
    expect(missing).toEqual([]);
  });

  it('would not pass with a key that Compose does not know', async () => {
    await using own = await temporaryFolder();
    const file = join(own.path, 'compose.yaml');
    await writeFile(file, 'name: x\nservices: { a: { image: b, read_onyl: true } }\n');
    const { code, stderr } = await load(file);
    expect([code, stderr]).toEqual([1, expect.stringContaining('read_onyl')]);
  });
});

describe('what compose.yaml mounts', () => {
  it('is a daemon file that serves the socket of the shared volume', () => {
    const path = join(folder, 'config/keyproxy.yaml');
    const { config, problems, warnings } = parseDaemonFile(readFileSync(path, 'utf8'), path, {});
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
    expect(config?.listen).toMatchObject([{ kind: 'unix', path: '/run/keyproxy/keyproxy.sock', mode: 0o660 }]);
    expect(config?.http).toEqual({ port: 9464 });
  });

  it('is a tenant file that validates', async () => {
    const file = join(folder, 'config/tenants/tenant_12345.yaml');
    expect(await commandHere(['validate', '--offline', file])).toMatchObject({ code: 0, stderr: '' });
  });
});
