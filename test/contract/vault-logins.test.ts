/** Logging in to Vault: what is shown, how often, and what a no means. */
import { stat, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, failureOf, never } from './calls.ts';
import { allowing, VaultWorld } from './vault-world.ts';

const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };

const login = 'approle-login';

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
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
    expect(error.fault.kind).toMatch(/config|ambiguous/);
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

it.each(['https://kubernetes.default.svc', 'vault-of-acme'])(
  'a login with an AppRole never shows a token in the place of a secret id: %s',
  async (audience) => {
    await using world = await VaultWorld.start();
    const { token } = world.vault.kubernetes({ role: 'keyproxy', audience: 'vault-of-acme', policies: [] });
    await using key = await world.openRoleKey();
    await writeFile(key.secretIdFile, token({ audience }));
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(misconfigured);
    expect(error.details).toMatchObject({ providerCode: 'FileHoldsToken' });
    expect(world.vault.calls).toEqual([]);
  },
);

it('a login reads no file that is none: a device has no end', async () => {
  await using world = await VaultWorld.start();
  await using key = await world.openRoleKey();
  const auth = { ...key.config.auth, secretIdFile: '/dev/zero' } as typeof key.config.auth;
  await using service = world.open({ ...key.config, auth });
  expect((await failureOf(generate(service))).details).toMatchObject({ providerCode: 'FileUnreadable' });
  await using other = world.open({ ...key.config, caFile: '/dev/zero' });
  expect((await failureOf(generate(other))).details).toMatchObject({ providerCode: 'FileUnreadable' });
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
      tokenTtl: 3_600,
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

  it.each([
    'https://kubernetes.default.svc',
    ['sts.amazonaws.com', 'vault-of-other'],
    ['vault-of-acme', 'https://kubernetes.default.svc'],
  ] as const)('never shows a token that is for somebody else, too: %s', async (audience) => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token({ audience }));
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(misconfigured);
    expect(error.details).toMatchObject({ providerCode: 'AudienceDiffers' });
    expect(setting.world.vault.calls).toEqual([]);
  });

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
  ])('with a token %s is a refusal', async (_, overrides) => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token(overrides));
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(roleDenied);
    expect(error.details).toMatchObject({ operation: 'login', providerCode: 'LoginRefused' });
  });

  it('with a token of another cluster may be refused: Vault says the same where no cluster answers it', async () => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token({ foreign: true }));
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual({ kind: 'ambiguous', reason: 'ROLE_DENIED' });
    expect(error.details).toMatchObject({ operation: 'login', providerCode: 'LoginDenied' });
    expect(error.details.advice).toContain('the cluster may not answer Vault');
  });

  it('that may be refused leaves a token in use that is valid, and is tried again', async () => {
    await using setting = await world();
    await using service = await setting.open(setting.role.token());
    await generate(service);
    const { vault, clock } = setting.world;
    const denied = { kind: 'error', status: 403, code: 'permission denied', message: 'permission denied' } as const;
    const outages = ['renew-self', 'kubernetes-login'].map((operation) =>
      vault.faults.add({ operation, fault: denied }),
    );
    clock.skip(0.8 * 3_600_000);
    await expect.poll(() => vault.count('kubernetes-login')).toBeGreaterThan(1);
    await generate(service);
    for (const outage of outages) outage.remove();
  });

  it('for a role that there is not is a refusal', async () => {
    await using setting = await world();
    const token = setting.role.token();
    await using service = await setting.open(token);
    setting.role.destroy();
    expect((await failureOf(generate(service))).fault).toEqual(roleDenied);
  });
});
