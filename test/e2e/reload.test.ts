/** Tenant files come, change, go and break while applications call: nobody else's call fails. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';

const patience = { timeout: 10_000, interval: 25 };
const settings = { extra: 'allow_local: true', tenants: { 'steady.yaml': localTenant('steady') } };

let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;
beforeAll(async () => {
  folder = await daemonFolder(settings);
  daemon = await startDaemon(folder.start);
  client = connect(daemon.socket);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('x');

async function codeFor(tenant_id: string, from: KeyProxyClient = client): Promise<number> {
  return from.call('Encrypt', { tenant_id, plaintext }).then(
    () => status.OK,
    (error) => error.code,
  );
}

/** Encrypts and decrypts for a tenant until told to stop; tells how often, and what failed. */
function load(tenant_id: string, from: KeyProxyClient = client): () => Promise<{ done: number; failed: unknown[] }> {
  const stop = new AbortController();
  const failed: unknown[] = [];
  let done = 0;
  const callers = Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted) {
      try {
        const { ciphertext } = await from.call<{ ciphertext: Buffer }>('Encrypt', { tenant_id, plaintext });
        await from.call('Decrypt', { tenant_id, ciphertext });
        done += 1;
      } catch (error) {
        failed.push(error);
      }
    }
  });
  return async () => {
    stop.abort();
    await Promise.all(callers);
    return { done, failed };
  };
}

/** Puts a file in place in one step, as an operator's tools do. */
async function put(name: string, text: string): Promise<void> {
  await writeFile(join(folder.path, `${name}.new`), text);
  await rename(join(folder.path, `${name}.new`), join(folder.tenants, name));
}

async function reloads(outcome: 'ok' | 'bad', from = daemon): Promise<number> {
  const text = await (await fetch(`${from.http}/metrics`)).text();
  return Number(new RegExp(`keyproxy_config_reloads_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

/** Files of tenants that are left aside now. */
async function badFiles(from = daemon): Promise<number> {
  const text = await (await fetch(`${from.http}/metrics`)).text();
  return Number(/keyproxy_config_files_bad\{kind="tenants"\} (\d+)/.exec(text)?.[1]);
}

test('a tenant is added, changed and removed under load, and no call of another fails', async () => {
  const end = load('steady');
  const before = await reloads('ok');
  expect(await codeFor('guest')).toBe(status.NOT_FOUND);
  await put('guest.yaml', localTenant('guest'));
  await expect.poll(() => codeFor('guest'), patience).toBe(status.OK);
  const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { tenant_id: 'guest', plaintext });

  await put('guest.yaml', localTenant('guest', { more: '  dek: { source: kms }' }));
  await expect.poll(() => reloads('ok'), patience).toBeGreaterThanOrEqual(before + 2);
  expect(await client.call('Decrypt', { tenant_id: 'guest', ciphertext })).toMatchObject({ plaintext });

  await rm(join(folder.tenants, 'guest.yaml'));
  await expect.poll(() => codeFor('guest'), patience).toBe(status.NOT_FOUND);
  expect(await reloads('ok')).toBeGreaterThanOrEqual(before + 3);
  const { done, failed } = await end();
  expect(failed).toEqual([]);
  expect(done).toBeGreaterThan(20);
});

test('a tenant is changed fifty times under its own load, and none of its calls fails', async () => {
  await put('busy.yaml', localTenant('busy'));
  await expect.poll(() => codeFor('busy'), patience).toBe(status.OK);
  const end = load('busy');
  for (let change = 1; change <= 50; change++) {
    await put('busy.yaml', localTenant('busy', { more: `  cache_config: { ttl_seconds: ${change}00 }` }));
    await new Promise((done) => setTimeout(done, 15));
  }
  const before = await reloads('ok');
  await put('busy.yaml', localTenant('busy', { more: '  cache_config: { ttl_seconds: 60 }' }));
  await expect.poll(() => reloads('ok'), patience).toBeGreaterThan(before);
  const { done, failed } = await end();
  expect(failed).toEqual([]);
  expect(done).toBeGreaterThan(20);
});

test('a file that breaks keeps its last good version, is counted and named, and comes back when it is mended', async () => {
  await put('fragile.yaml', localTenant('fragile'));
  await expect.poll(() => codeFor('fragile'), patience).toBe(status.OK);
  const end = load('fragile');
  const bad = await reloads('bad');
  await put('fragile.yaml', 'customer: [');
  await expect.poll(() => reloads('bad'), patience).toBeGreaterThan(bad);
  await expect.poll(() => daemon.output(), patience).toMatch(/fragile\.yaml.*a tenant file was not taken/);
  expect(await codeFor('fragile')).toBe(status.OK);
  expect(await badFiles()).toBe(1);
  const ok = await reloads('ok');
  await put('fragile.yaml', localTenant('fragile', { more: '  dek: { source: kms }' }));
  await expect.poll(() => reloads('ok'), patience).toBeGreaterThan(ok);
  expect(await badFiles()).toBe(0);
  expect((await end()).failed).toEqual([]);
});

test('two files that claim one tenant change nothing about it', async () => {
  await put('claimed.yaml', localTenant('claimed'));
  await expect.poll(() => codeFor('claimed'), patience).toBe(status.OK);
  const bad = await reloads('bad');
  await put('thief.yaml', localTenant('claimed', { keyFile: '../other.key' }));
  await expect.poll(() => reloads('bad'), patience).toBeGreaterThan(bad);
  expect(await codeFor('claimed')).toBe(status.OK);
  await rm(join(folder.tenants, 'thief.yaml'));
});

test('a daemon serves the good files of a folder whose other files are bad from the start', async () => {
  const tenants = { 'good.yaml': localTenant('good'), 'bad.yaml': 'tenant_id: bad\n' };
  await using other = await daemonFolder({ ...settings, tenants });
  await using started = await startDaemon(other.start);
  using caller = connect(started.socket);
  expect(await codeFor('good', caller)).toBe(status.OK);
  expect(await codeFor('bad', caller)).toBe(status.NOT_FOUND);
  await expect.poll(() => started.output(), patience).toContain('bad.yaml');
  expect(await badFiles(started)).toBe(1);
  await rm(join(other.tenants, 'bad.yaml'));
  await expect.poll(() => badFiles(started), patience).toBe(0);
});

test('a ConfigMap as Kubernetes mounts it is swapped as a whole under load: added, changed, removed at once', async () => {
  await using mount = await daemonFolder({ ...settings, tenants: {} });
  const generation = async (name: string, files: Record<string, string>) => {
    await mkdir(join(mount.tenants, name));
    for (const [file, text] of Object.entries(files)) await writeFile(join(mount.tenants, name, file), text);
    await symlink(name, join(mount.tenants, '..data_tmp'));
    await rename(join(mount.tenants, '..data_tmp'), join(mount.tenants, '..data'));
  };
  await generation('..2026_01', { 'stays.yaml': localTenant('stays'), 'leaves.yaml': localTenant('leaves') });
  for (const name of ['stays.yaml', 'leaves.yaml']) await symlink(`..data/${name}`, join(mount.tenants, name));

  await using mounted = await startDaemon(mount.start);
  using caller = connect(mounted.socket);
  const end = load('stays', caller);
  expect(await codeFor('leaves', caller)).toBe(status.OK);
  await symlink('..data/joins.yaml', join(mount.tenants, 'joins.yaml'));
  await rm(join(mount.tenants, 'leaves.yaml'));
  await generation('..2026_02', {
    'stays.yaml': localTenant('stays', { more: '  dek: { source: kms }' }),
    'joins.yaml': localTenant('joins'),
  });
  await rm(join(mount.tenants, '..2026_01'), { recursive: true });
  await expect.poll(() => codeFor('joins', caller), patience).toBe(status.OK);
  await expect.poll(() => codeFor('leaves', caller), patience).toBe(status.NOT_FOUND);
  expect(await reloads('ok', mounted)).toBeGreaterThan(0);
  const { done, failed } = await end();
  expect(failed).toEqual([]);
  expect(done).toBeGreaterThan(10);
});
