/** Versions, lists, deletion and its recovery. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { tokenOf, type VaultCall, vaultCall } from '../../simulators/azure/clients.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const dayMs = 86_400_000;

async function administrator(azure: AzureSimulator) {
  const application = azure.createApplication();
  azure.grant(application.objectId, '*', ['get', 'list', 'delete', 'recover', 'purge', 'wrapKey', 'unwrapKey']);
  return async (path: string, call: VaultCall = {}) =>
    vaultCall(azure, path, { token: await tokenOf(azure, application), ...call });
}

const wrap = { alg: 'RSA-OAEP-256', value: randomBytes(32).toString('base64url') };

/** The identifiers in a list. */
function kidsOf({ json }: { json: Readonly<Record<string, unknown>> }): unknown[] {
  return (json['value'] as { kid: unknown }[]).map(({ kid }) => kid);
}

describe('versions', () => {
  it('are found by their number, and the newest without one, on every path', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const key = azure.createKey();
    const old = key.version;
    const kids = async (...paths: string[]) => {
      const answers = await Promise.all(paths.map((path) => call(path)));
      return answers.map(({ json }) => (json['key'] as { kid: string }).kid);
    };
    const newest = key.rotate();
    expect(newest).toMatch(/^[0-9a-f]{32}$/);
    expect(newest).not.toBe(old);
    expect(await kids(`keys/${key.name}`, `keys/${key.name}/`, `keys/${key.name}/${newest}`)).toEqual(
      Array(3).fill(key.kid()),
    );
    expect(await kids(`keys/${key.name}/${old}`)).toEqual([key.kid(old)]);
    for (const path of [
      `keys/${key.name}/wrapkey`,
      `keys/${key.name}//wrapkey`,
      `keys/${key.name}/${newest}/wrapKey`,
    ]) {
      expect((await call(path, { body: wrap })).json['kid']).toBe(key.kid(newest));
    }
    expect((await call(`keys/${key.name}/${old}/wrapkey`, { body: wrap })).json['kid']).toBe(key.kid(old));
  });

  it('that do not exist are not found, and what is no version is a bad parameter', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const { name } = azure.createKey();
    const answer = await call(`keys/${name}/${'0'.repeat(32)}`);
    expect([answer.status, answer.code]).toEqual([404, 'KeyNotFound']);
    expect((await call(`keys/${name}/${'0'.repeat(32)}/unwrapkey`, { body: wrap })).code).toBe('KeyNotFound');
    expect((await call(`keys/${name}/latest`)).code).toBe('BadParameter');
  });

  it('are listed with their states, in pages', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const key = azure.createKey({ kty: 'EC' });
    const versions = [key.version, key.rotate(), key.rotate()];
    key.setEnabled(false, versions[0]);
    const whole = await call(`keys/${key.name}/versions`);
    expect(kidsOf(whole)).toEqual(versions.map((version) => key.kid(version)));
    expect(whole.json['value']).toMatchObject([
      { attributes: { enabled: false } },
      { attributes: { enabled: true } },
      { attributes: { enabled: true } },
    ]);
    expect(whole.json['nextLink']).toBeNull();
    const first = await call(`keys/${key.name}/versions`, { query: '&maxresults=2' });
    const next = new URL(String(first.json['nextLink']));
    const second = await call(next.pathname.slice(1), { apiVersion: '', query: next.search.slice(1) });
    expect([...kidsOf(first), ...kidsOf(second)]).toEqual(kidsOf(whole));
    expect((await call(`keys/${key.name}/versions`, { query: '&maxresults=26' })).code).toBe('BadParameter');
  });
});

describe('a deleted key', () => {
  it('is gone for every use, is listed as deleted, and comes back as it was', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const key = azure.createKey();
    const uses = async () => [
      (await call(`keys/${key.name}`)).code,
      (await call(`keys/${key.name}/${key.version}/wrapkey`, { body: wrap })).code,
      (await call(`keys/${key.name}/${key.version}/unwrapkey`, { body: wrap })).code,
    ];
    key.delete();
    expect(await uses()).toEqual(['KeyNotFound', 'KeyNotFound', 'KeyNotFound']);
    expect(kidsOf(await call('keys'))).toEqual([]);
    expect(kidsOf(await call('deletedkeys'))).toEqual([key.id]);
    expect((await call(`deletedkeys/${key.name}`)).json).toMatchObject({
      recoveryId: `${azure.vaultUrl}/deletedkeys/${key.name}`,
      key: { kid: key.kid() },
    });
    key.recover();
    expect(await uses()).toEqual(['ok', 'ok', 'BadParameter']);
    expect(kidsOf(await call('deletedkeys'))).toEqual([]);
  });

  it('is deleted, recovered and purged over the wire too', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const { name } = azure.createKey({ kty: 'EC' });
    expect((await call(`deletedkeys/${name}`, { method: 'DELETE' })).code).toBe('KeyNotFound');
    expect((await call(`keys/${name}`, { method: 'DELETE' })).json).toHaveProperty('scheduledPurgeDate');
    expect((await call(`deletedkeys/${name}/recover`, { method: 'POST' })).code).toBe('ok');
    expect((await call(`keys/${name}`)).code).toBe('ok');
    await call(`keys/${name}`, { method: 'DELETE' });
    expect((await call(`deletedkeys/${name}`, { method: 'DELETE' })).status).toBe(204);
    expect((await call(`deletedkeys/${name}/recover`, { method: 'POST' })).code).toBe('KeyNotFound');
  });

  it('keeps its name until 90 days are over, and then nothing can bring it back', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const call = await administrator(azure);
    const key = azure.createKey({ kty: 'EC' });
    key.delete();
    expect(() => azure.createKey({ name: key.name })).toThrow('exists already');
    clock.advance(90 * dayMs - 1);
    expect((await call(`deletedkeys/${key.name}`)).code).toBe('ok');
    clock.advance(1);
    expect((await call(`deletedkeys/${key.name}`)).code).toBe('KeyNotFound');
    expect(azure.createKey({ name: key.name, kty: 'EC' }).version).not.toBe(key.version);
  });

  it('that was purged is not found anywhere', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const key = azure.createKey({ kty: 'EC' });
    key.purge();
    expect((await call(`keys/${key.name}`)).code).toBe('KeyNotFound');
    expect((await call(`deletedkeys/${key.name}`)).code).toBe('KeyNotFound');
  });
});

describe('the list of keys', () => {
  it('has every usable key by name, without a version', async () => {
    await using azure = await startAzureSimulator();
    const call = await administrator(azure);
    const keys = ['beta', 'alpha'].map((name) => azure.createKey({ name, kty: 'EC' }));
    azure.createKey({ kty: 'oct-HSM' });
    expect(kidsOf(await call('keys'))).toEqual(keys.map(({ id }) => id).reverse());
  });
});
