/** Tenants as their files change: what stays in the cache, what goes, and when old connections are closed. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyServices } from '../../../src/app/key-services.ts';
import { TenantSet } from '../../../src/app/tenants.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { parseTenantFile, type TenantConfig } from '../../../src/config/tenant-file.ts';
import { createLocalKeyFile } from '../../../src/kms/local/key-file.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';

const a = parseTenantId('a');
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
  for (const name of ['one', 'two']) await createLocalKeyFile(join(folder.path, `${name}.key`));
});
afterEach(() => folder[Symbol.asyncDispose]());

function tenantFile(current: string, retired: readonly string[] = [], more = ''): TenantConfig {
  const block = (name: string) => `{ key_name: ${name}, key_file: ${join(folder.path, `${name}.key`)} }`;
  const text = `
customer: c
tenant_id: a
encryption:
  provider: local
  local: ${block(current)}
  retired: [${retired.map((name) => `{ provider: local, local: ${block(name)} }`).join(', ')}]
${more}`;
  const { config, problems } = parseTenantFile(text, join(folder.path, 'a.yaml'), {
    allowLocal: true,
    trustedEndpoints: [],
  });
  expect(problems).toEqual([]);
  if (config === undefined) throw new Error('the file was not taken');
  return config;
}

function world() {
  const engine = new FakeEngine();
  const { clock, registry, cache } = engine;
  const services = new KeyServices({ clock, authorities: {}, trustedEndpoints: [] });
  const changes: string[] = [];
  const calls: string[] = [];
  const tenants = new TenantSet({
    registry,
    cache,
    services,
    clock,
    random: () => 0.5,
    known: [],
    onKeyChange: () => undefined,
    environment: 'test',
    onSegregation() {},
    onCircuit: () => undefined,
    onKmsCall: (tenant, { operation, outcome }) => calls.push(`${tenant} ${operation} ${outcome}`),
    onChange: (tenant, change) => changes.push(`${tenant.id} ${change}`),
  });
  return { engine, tenants, changes, calls, registry, clock };
}

describe('TenantSet.put', () => {
  it('serves a tenant, tells each call to its key service, and notes the contact', async () => {
    const { engine, tenants, changes, calls, clock } = world();
    tenants.put(tenantFile('one'));
    clock.advance(5000);
    const { ciphertext, key } = await engine.encrypt('a', 'x');
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    expect([key.keyId, changes, calls]).toEqual(['one', ['a served'], ['a generate ok']]);
    expect((await engine.describe('a')).contact).toEqual({ lastSuccess: clock.start + 5000 });
  });

  it('keeps what is cached, the figures and the contact when only settings change', async () => {
    const { engine, tenants, calls } = world();
    tenants.put(tenantFile('one'));
    const { ciphertext } = await engine.encrypt('a', 'x');
    tenants.put(tenantFile('one', [], '  dek: { source: kms }\n'));
    await engine.decrypt('a', ciphertext);
    const described = await engine.describe('a');
    expect([described.cacheHits, described.cacheMisses, described.contact.lastSuccess]).toEqual([
      1,
      1,
      engine.clock.start,
    ]);
    expect(calls).toEqual(['a generate ok']);
  });

  it('applies a new time to live to what is cached', async () => {
    const { engine, tenants } = world();
    tenants.put(tenantFile('one'));
    await engine.encrypt('a', 'x');
    tenants.put(tenantFile('one', [], '  cache_config: { ttl_seconds: 0 }\n'));
    expect(engine.cache.count()).toBe(0);
    expect(engine.evictions).toEqual(['expired', 'expired']);
  });

  it('keeps what is cached under a key that is retired, and opens it as one that needs a rewrap', async () => {
    const { engine, tenants, calls } = world();
    tenants.put(tenantFile('one'));
    const { ciphertext } = await engine.encrypt('a', 'x');
    tenants.put(tenantFile('two', ['one']));
    expect((await engine.decrypt('a', ciphertext)).needsRewrap).toBe(true);
    expect((await engine.encrypt('a', 'y')).key.keyId).toBe('two');
    expect(calls).toEqual(['a generate ok', 'a generate ok']);
  });

  it('wipes the cache when a key leaves the file, retired or current, and opens nothing under it', async () => {
    const { engine, tenants } = world();
    tenants.put(tenantFile('two', ['one']));
    tenants.put(tenantFile('one', ['two']));
    const { ciphertext } = await engine.encrypt('a', 'x');
    tenants.put(tenantFile('two', ['one']));
    expect(engine.cache.count(a)).toBe(2);
    tenants.put(tenantFile('two'));
    expect(engine.cache.count(a)).toBe(0);
    expect(engine.evictions).toEqual(['removed', 'removed']);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('DECRYPT_FAILED');
  });

  it('hands on at once what the one before has open, so that no login ends for want of a user', async () => {
    const { tenants, registry } = world();
    tenants.put(tenantFile('one'));
    tenants.put(tenantFile('one'));
    expect(registry.find(a)?.isInUse).toBe(false);
    await registry.find(a)?.keys();
    // In a row, the second before the first has opened anything.
    for (let reload = 0; reload < 2; reload++) tenants.put(tenantFile('one'));
    await expect.poll(() => registry.find(a)?.ring?.current.keyId).toBe('one');
  });

  it('closes the connections of the one before a minute later, not under its calls', async () => {
    const { tenants, registry, clock } = world();
    tenants.put(tenantFile('one'));
    const before = registry.find(a);
    await before?.keys();
    tenants.put(tenantFile('one'));
    clock.advance(59_999);
    expect((await before?.keys())?.current.keyId).toBe('one');
    clock.advance(1);
    expect(before?.ring).toBeUndefined();
    expect((await registry.find(a)?.keys())?.current.keyId).toBe('one');
  });
});

describe('a key that cannot be opened', () => {
  it('fails its tenant with the reason until it can, whether it is current or retired', async () => {
    const { engine, tenants } = world();
    const path = join(folder.path, 'two.key');
    await rename(path, `${path}.away`);
    tenants.put(tenantFile('one', ['two']));
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_SERVICE_MISCONFIGURED');
    await rename(`${path}.away`, path);
    expect((await engine.encrypt('a', 'x')).key.keyId).toBe('one');
  });
});

describe('TenantSet.remove', () => {
  it('wipes the cache of the tenant and does not know it any more', async () => {
    const { engine, tenants, changes } = world();
    tenants.put(tenantFile('one'));
    await engine.encrypt('a', 'x');
    tenants.remove(a);
    expect(engine.cache.count()).toBe(0);
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('TENANT_UNKNOWN');
    tenants.remove(a);
    expect(changes).toEqual(['a served', 'a removed']);
  });

  it('lets the tenant come back', async () => {
    const { engine, tenants } = world();
    tenants.put(tenantFile('one'));
    const { ciphertext } = await engine.encrypt('a', 'x');
    tenants.remove(a);
    tenants.put(tenantFile('one'));
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });
});

describe('the end of a TenantSet', () => {
  it('closes those that are leaving at once and leaves no timer behind', async () => {
    const { tenants, registry, clock } = world();
    tenants.put(tenantFile('one'));
    const before = registry.find(a);
    await before?.keys();
    tenants.put(tenantFile('one'));
    expect(clock.timers).toBe(1);
    await tenants[Symbol.asyncDispose]();
    expect(before?.ring).toBeUndefined();
    expect(clock.timers).toBe(0);
  });
});
