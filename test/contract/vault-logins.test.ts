/** Logging in to Vault: what is shown, how often, how tokens live and end, and what a no to a login means. */
import { stat, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, failureOf, never } from './calls.ts';
import { allowing, VaultWorld } from './vault-world.ts';

const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };

const login = 'approle-login';
const hour = 3_600;

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

/** Waits for what happens in the background. */
function untilCounted(world: VaultWorld, operation: string, times: number): Promise<void> {
  return vi.waitFor(() => expect(world.vault.count(operation)).toBe(times), { timeout: 5_000, interval: 5 });
}

describe('a login with AppRole', () => {
  it('happens once for any number of calls', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await Promise.all(Array.from({ length: 50 }, () => generate(key.service)));
    expect(world.vault.count(login)).toBe(1);
  });

  it('is shared by the keys of one tenant and way to log in, and by no others', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const other = world.vault.createKey();
    key.setPolicy({ ...allowing(key.owned), ...allowing(other) });
    await using same = world.open({ ...key.config, keyName: other.name });
    await using stranger = world.open(key.config, { tenantId: 'other' });
    for (const service of [key.service, same]) await generate(service);
    expect(world.vault.count(login)).toBe(1);
    await generate(stranger);
    expect(world.vault.count(login)).toBe(2);
  });

  it('reads the secret id at each login, without the blanks around it', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { secretIdNumUses: 1 } });
    await writeFile(key.secretIdFile, `\n ${key.role.newSecretId()}\r\n`);
    await generate(key.service);
    await writeFile(key.secretIdFile, key.role.newSecretId());
    world.vault.revokeTokens();
    await generate(key.service);
    expect(world.vault.count(login, { outcome: 'ok' })).toBe(2);
  });

  it('with a secret id that is used up is refused with the next step, and tried once', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { secretIdNumUses: 1 } });
    await generate(key.service);
    world.vault.revokeTokens();
    for (let call = 0; call < 5; call++) {
      const error = await failureOf(generate(key.service));
      expect(error.fault).toEqual(roleDenied);
      expect(error.details).toMatchObject({ operation: 'login', providerCode: 'SecretIdRefused' });
      expect(error.details.advice).toContain('put a new one in secret_id_file');
      world.clock.skip(2_000);
    }
    expect(world.vault.count(login)).toBe(2);
  });

  it('is tried with a new secret id as soon as the file has one, and with the old one after minutes', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await writeFile(key.secretIdFile, 'not-one-of-this-role');
    expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied);
    world.clock.skip(301_000);
    expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied);
    expect(world.vault.count(login)).toBe(2);
    await writeFile(key.secretIdFile, key.role.newSecretId());
    world.clock.skip(1_000);
    await generate(key.service);
    expect(world.vault.count(login)).toBe(3);
  });

  it.each(['hang', 'half-open', 'reset', 'truncate'] as const)(
    'that ends in %s is not tried again at once, lest it spend a use of the secret id each time',
    async (kind) => {
      await using world = await VaultWorld.start();
      await using key = await world.openRoleKey({ role: { secretIdNumUses: 3 }, timeoutMs: 4_000 });
      const fault = world.vault.faults.add({ operation: login, fault: { kind } });
      for (let call = 0; call < 4; call++) expect((await failureOf(generate(key.service))).fault).toEqual(outage);
      expect(world.vault.count(login)).toBe(1);
      fault.remove();
      world.clock.skip(1_000);
      await generate(key.service);
      expect(world.vault.count(login)).toBe(2);
    },
  );

  it('that a sealed node did not look at is tried again within a second', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { secretIdNumUses: 1 } });
    world.vault.seal();
    expect((await failureOf(generate(key.service))).details).toMatchObject({
      operation: 'login',
      providerCode: 'Sealed',
    });
    world.vault.unseal();
    world.clock.skip(250);
    await generate(key.service);
  });

  it('at a mount that there is not is a fault of the configuration', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await using service = world.open({ ...key.config, auth: { ...key.config.auth, mount: 'approle-of-nobody' } });
    const error = await failureOf(generate(service));
    expect(error.fault.kind).toMatch(/config|refusal/);
    expect(error.details.advice).toMatch(/mount|role/);
  });

  it.each([
    ['cannot be read', undefined, 'FileUnreadable'],
    ['is empty', ' \n', 'FileMalformed'],
    ['holds more than a secret', 'secret_id: "x"', 'FileMalformed'],
    ['is far too long', 'x'.repeat(70_000), 'FileTooLong'],
  ])('whose file %s is a fault of the configuration, and shows nothing', async (_, content, providerCode) => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const path = content === undefined ? `${world.folder}/none` : await world.file('odd', content);
    await using service = world.open({
      ...key.config,
      auth: { method: 'approle', mount: 'approle', roleId: key.role.roleId, secretIdFile: path },
    });
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(misconfigured);
    expect(error.details.providerCode).toBe(providerCode);
    expect(error.details.advice).toContain('secret_id_file');
    expect(world.vault.calls).toEqual([]);
  });

  it('says nothing of role id and secret id in its error', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await writeFile(key.secretIdFile, 'wrong-but-still-secret');
    const shown = inspect(await failureOf(generate(key.service)), { depth: 9, showHidden: true });
    for (const secret of ['wrong-but-still-secret', key.role.roleId]) expect(shown).not.toContain(secret);
    expect((await stat(key.secretIdFile)).size).toBe(22);
  });
});

describe('a login with Kubernetes', () => {
  async function world() {
    const world = await VaultWorld.start();
    const owned = world.vault.createKey();
    world.vault.createPolicy('keyproxy', allowing(owned));
    const role = world.vault.kubernetes({
      role: 'keyproxy',
      audience: 'vault-of-acme',
      policies: ['default', 'keyproxy'],
    });
    const open = async (token: string, audience = 'vault-of-acme') => {
      const tokenFile = await world.file('token', token);
      return world.open(
        world.configOf(owned, { method: 'kubernetes', mount: role.mount, role: 'keyproxy', audience, tokenFile }),
      );
    };
    return { world, role, open, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
  }

  it('shows the projected token, and reads it again at each login', async () => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token());
    await generate(service);
    await setting.world.file('token', setting.role.token({ expiresInSeconds: 600 }));
    setting.world.vault.revokeTokens();
    await generate(service);
    expect(setting.world.vault.count('kubernetes-login', { outcome: 'ok' })).toBe(2);
  });

  it.each(['https://kubernetes.default.svc', ['sts.amazonaws.com', 'vault-of-other']] as const)(
    'never shows a token that is for somebody else: %s',
    async (audience) => {
      await using setting = await world();
      await using service = await setting.open(setting.role.token({ audience }));
      const error = await failureOf(generate(service));
      expect(error.fault).toEqual(misconfigured);
      expect(error.details).toMatchObject({ providerCode: 'AudienceDiffers' });
      expect(setting.world.vault.calls).toEqual([]);
    },
  );

  it.each(['no-token', 'a.b.c', 'eyJhbGciOiJub25lIn0.bnVsbA.x'])('never shows what is no token: %s', async (token) => {
    await using setting = await world();
    await using service = await setting.open(token);
    expect((await failureOf(generate(service))).fault).toEqual(misconfigured);
    expect(setting.world.vault.calls).toEqual([]);
  });

  it.each([
    ['of another service account', { name: 'other' }],
    ['of another namespace', { namespace: 'other' }],
    ['that has run out', { expiresInSeconds: -60 }],
    ['of another cluster', { foreign: true }],
  ])('with a token %s is a refusal', async (_, overrides) => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token(overrides));
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(roleDenied);
    expect(error.details).toMatchObject({ operation: 'login', providerCode: 'LoginRefused' });
  });

  it('for a role that there is not is a refusal', async () => {
    await using setting = await world();
    const token = setting.role.token();
    await using service = await setting.open(token);
    setting.role.destroy();
    expect((await failureOf(generate(service))).fault).toEqual(roleDenied);
  });
});

describe('a token', () => {
  it('is renewed in the background at two thirds of its life, without a login', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenMaxTtl: 24 * hour, secretIdNumUses: 1 } });
    await generate(key.service);
    world.clock.skip(0.6 * hour * 1000);
    await generate(key.service);
    expect(world.vault.count('renew-self')).toBe(0);
    world.clock.skip(0.1 * hour * 1000);
    await untilCounted(world, 'renew-self', 1);
    world.clock.skip(0.5 * hour * 1000);
    await generate(key.service);
    expect(world.vault.count(login)).toBe(1);
  });

  it('near the end of all renewal is replaced by a login', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenMaxTtl: 1.5 * hour } });
    await generate(key.service);
    world.clock.skip(0.7 * hour * 1000);
    await untilCounted(world, login, 2);
    expect(world.vault.count('renew-self')).toBe(1);
    await generate(key.service);
  });

  it('that cannot be renewed is replaced by a login before it ends', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenType: 'batch' } });
    await generate(key.service);
    world.clock.skip(0.7 * hour * 1000);
    await untilCounted(world, login, 2);
    expect(world.vault.count('renew-self')).toBe(0);
  });

  it('stays in use to its end while renewal gets no answer', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour } });
    await generate(key.service);
    const faults = ['renew-self', login].map((operation) =>
      world.vault.faults.add({ operation, fault: { kind: 'reset' } }),
    );
    world.clock.skip(0.7 * hour * 1000);
    await vi.waitFor(() => expect(world.vault.count('renew-self')).toBeGreaterThan(0));
    world.clock.skip(0.25 * hour * 1000);
    await generate(key.service);
    world.clock.skip(0.1 * hour * 1000);
    expect((await failureOf(generate(key.service))).fault).toEqual(outage);
    for (const fault of faults) fault.remove();
    world.clock.skip(60_000);
    await generate(key.service);
  });

  it('that Vault knows no longer is replaced once, whichever way it says so', async () => {
    for (const product of ['openbao', 'vault'] as const) {
      await using world = await VaultWorld.start({ product });
      await using key = await world.openRoleKey();
      await generate(key.service);
      world.vault.revokeTokens();
      await Promise.all(Array.from({ length: 20 }, () => generate(key.service)));
      expect(world.vault.count(login)).toBe(2);
      expect(world.vault.count('renew-self')).toBe(0);
      expect(world.vault.count('lookup-self')).toBe(product === 'vault' ? 0 : 1);
    }
  });

  it('without the policy default cannot ask about itself: one login tells, and then no more for a minute', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    const mute = {
      kind: 'error',
      code: '',
      status: 403,
      message: '1 error occurred:\n\t* permission denied\n\n',
    } as const;
    world.vault.faults.add({ operation: 'lookup-self', fault: mute });
    key.setPolicy({});
    for (let call = 0; call < 5; call++) {
      const { fault } = await failureOf(generate(key.service));
      expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false });
    }
    expect(world.vault.count(login)).toBe(2);
    key.setPolicy(allowing(key.owned));
    world.vault.revokeTokens();
    world.clock.skip(61_000);
    await generate(key.service);
    expect(world.vault.count(login)).toBe(3);
  });

  it('is revoked when the last key that uses it is closed', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey();
    const second = world.open(key.config);
    await generate(key.service);
    await key.service[Symbol.asyncDispose]();
    await key.service[Symbol.asyncDispose]();
    expect(world.vault.count('revoke-self')).toBe(0);
    await generate(second);
    await second[Symbol.asyncDispose]();
    expect(world.vault.count('revoke-self', { outcome: 'ok' })).toBe(1);
  });

  it('that cannot be revoked holds up nobody for long', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey();
    await generate(key.service);
    world.vault.faults.add({ operation: 'revoke-self', fault: { kind: 'hang' } });
    const start = performance.now();
    await key.service[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(2_500);
  });

  it('tells its end for a gauge, as long as anybody uses it', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey({ role: { tokenTtl: hour } });
    expect(world.credentials.expiries()).toEqual([]);
    await generate(key.service);
    const [expiry, ...others] = world.credentials.expiries();
    expect(others).toEqual([]);
    expect(expiry).toMatchObject({ tenantId: 'acme', address: world.vault.address });
    const left = (expiry?.expiresAtMs ?? 0) - world.clock.now();
    expect(left).toBeGreaterThan((hour - 20) * 1000);
    expect(left).toBeLessThanOrEqual(hour * 1000);
    await key.service[Symbol.asyncDispose]();
    expect(world.credentials.expiries()).toEqual([]);
  });
});
