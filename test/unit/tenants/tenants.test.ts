/** Tenants: their keys are opened once, closed once, and never by somebody who comes too late. */
import { describe, expect, it } from 'vitest';
import { parseTenantId } from '../../../src/base/ids.ts';
import { KeyRing } from '../../../src/kms/key-ring.ts';
import { TenantRegistry } from '../../../src/tenants/registry.ts';
import { Tenant } from '../../../src/tenants/tenant.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { rejection, unaskedWatches, usualSettings } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

function tenantOf(id: string, keyIds: readonly [string, ...string[]] = ['cmk'], openKeys?: () => Promise<KeyRing>) {
  const key = new FakeKeyService(keyIds[0]);
  const opened = { times: 0 };
  const tenant = new Tenant({
    id: parseTenantId(id),
    settings: usualSettings,
    provider: 'local',
    keyIds,
    materialIds: keyIds,
    replicas: [],
    openKeys:
      openKeys ??
      (async () => {
        opened.times += 1;
        return new KeyRing({ current: key });
      }),
    contact: {},
    watches: unaskedWatches(
      new FakeClock(),
      keyIds.map((keyId) => ({ keyId })),
    ),
  });
  return { tenant, key, opened };
}

describe('Tenant', () => {
  it('opens its keys once for all who ask, and has them at hand then', async () => {
    const { tenant, opened } = tenantOf('a');
    expect(tenant.ring).toBeUndefined();
    const rings = await Promise.all([tenant.keys(), tenant.keys(), tenant.keys()]);
    expect(new Set([...rings, tenant.ring]).size).toBe(1);
    expect(opened.times).toBe(1);
  });

  it('does not remember a failure to open them', async () => {
    let tries = 0;
    const { tenant } = tenantOf('a', ['cmk'], async () => {
      tries += 1;
      if (tries === 1) throw new Error('not yet');
      return new KeyRing({ current: new FakeKeyService('cmk') });
    });
    await expect(tenant.keys()).rejects.toThrow('not yet');
    expect((await tenant.keys()).current.keyId).toBe('cmk');
  });

  it('closes its keys, and opens none after that', async () => {
    const { tenant, key } = tenantOf('a');
    await tenant.keys();
    await tenant[Symbol.asyncDispose]();
    expect(key.closed).toBe(true);
    expect(tenant.ring).toBeUndefined();
    expect((await rejection(tenant.keys())).reason).toBe('KEY_SERVICE_UNAVAILABLE');
  });

  it('closes keys that are still being opened when it is closed', async () => {
    const opening = Promise.withResolvers<KeyRing>();
    const { tenant, key } = tenantOf('a', ['cmk'], () => opening.promise);
    const waiting = tenant.keys();
    const closing = tenant[Symbol.asyncDispose]();
    opening.resolve(new KeyRing({ current: key }));
    await Promise.all([waiting, closing]);
    expect(key.closed).toBe(true);
    expect(tenant.ring).toBeUndefined();
  });

  it('is closed in peace where its keys could never be opened', async () => {
    const { tenant } = tenantOf('a', ['cmk'], () => Promise.reject(new Error('never')));
    await expect(tenant.keys()).rejects.toThrow('never');
    await tenant[Symbol.asyncDispose]();
  });

  it('is served until it leaves, and its keys still work then', async () => {
    const { tenant } = tenantOf('a');
    expect(tenant.isServed).toBe(true);
    tenant.leave();
    expect(tenant.isServed).toBe(false);
    expect((await tenant.keys()).current.keyId).toBe('cmk');
    await tenant[Symbol.asyncDispose]();
    tenant.leave();
    expect(tenant.isServed).toBe(false);
  });
});

describe('TenantRegistry', () => {
  it('finds who is served, and hands back who is replaced or removed', () => {
    const registry = new TenantRegistry();
    const [first, second] = [tenantOf('a').tenant, tenantOf('a').tenant];
    expect(registry.find(first.id)).toBeUndefined();
    expect(registry.put(first)).toBeUndefined();
    expect(registry.put(second)).toBe(first);
    expect([registry.find(first.id), registry.size, [...registry.all()]]).toEqual([second, 1, [second]]);
    expect(registry.remove(first.id)).toBe(second);
    expect(registry.remove(first.id)).toBeUndefined();
    expect(registry.size).toBe(0);
  });

  it('knows who else has a key, in whatever role, and never the tenant itself', () => {
    const registry = new TenantRegistry();
    const { tenant: a } = tenantOf('a', ['k1', 'k2']);
    const { tenant: c } = tenantOf('c', ['k4']);
    for (const tenant of [a, c, tenantOf('b', ['k3', 'k2']).tenant]) registry.put(tenant);
    expect([registry.sharesKeys(a), registry.sharesKeys(c)]).toEqual([true, false]);
    const { tenant: reloaded } = tenantOf('a', ['k1']);
    registry.put(reloaded);
    expect(registry.sharesKeys(reloaded)).toBe(false);
  });

  it('closes everybody at its end', async () => {
    const registry = new TenantRegistry();
    const both = [tenantOf('a'), tenantOf('b')];
    for (const { tenant } of both) {
      registry.put(tenant);
      await tenant.keys();
    }
    await registry[Symbol.asyncDispose]();
    expect(both.map(({ key }) => key.closed)).toEqual([true, true]);
    expect(registry.size).toBe(0);
  });
});
