/** Who gets into a vault: the challenge, the check of the token, the firewall, the permissions. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { askForToken, tokenOf, type VaultCall, vaultCall } from '../../simulators/azure/clients.ts';
import { parseJwt, signJwt } from '../../simulators/azure/jwt.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const seedPermissions = ['get', 'list', 'decrypt', 'unwrapKey'] as const;
const hsm = 'https://managedhsm.azure.net';

/** A key, and an application that holds the permissions that customers are told to give. */
async function prepared(azure: AzureSimulator) {
  const application = azure.createApplication();
  const key = azure.createKey();
  azure.grant(application.objectId, '*', seedPermissions);
  const token = await tokenOf(azure, application);
  const get = (call: VaultCall = { token }) => vaultCall(azure, `keys/${key.name}`, call);
  return { application, key, token, get };
}

const wrap = { alg: 'RSA-OAEP-256', value: Buffer.alloc(32).toString('base64url') };

describe('a request without a token', () => {
  it('is told where to get one, by the vault', async () => {
    await using azure = await startAzureSimulator();
    const { get } = await prepared(azure);
    const answer = await get({});
    expect([answer.status, answer.code]).toEqual([401, 'Unauthorized']);
    expect(answer.text).toContain('AKV10000');
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer authorization="${azure.authorityHost}/${azure.tenant}", resource="https://vault.azure.net"`,
    );
  });

  it('is told where to get one, by the managed HSM, which has another resource and sends no body', async () => {
    await using azure = await startAzureSimulator();
    const answer = await vaultCall(azure, 'keys/nobody', { origin: azure.hsmUrl });
    expect([answer.status, answer.text]).toEqual([401, '']);
    expect(answer.headers.get('www-authenticate')).toContain(`resource="${hsm}"`);
  });

  it('learns nothing about keys, paths or versions of the API', async () => {
    await using azure = await startAzureSimulator();
    for (const path of ['keys/nobody', 'keys', 'nothing/here', 'keys/a/b/c/d', 'keys/%00']) {
      expect((await vaultCall(azure, path, { apiVersion: '' })).status).toBe(401);
    }
    expect(azure.count('challenge', { outcome: 'Unauthorized' })).toBe(5);
  });
});

describe('a token', () => {
  it.each<[string, (claims: Record<string, unknown>) => Record<string, unknown>]>([
    ['of somebody else', (claims) => claims],
    ['with another application in it', (claims) => ({ ...claims, oid: 'someone' })],
  ])('%s, signed by a stranger, is refused', async (_, change) => {
    await using azure = await startAzureSimulator();
    const { token, get } = await prepared(azure);
    const parsed = parseJwt(token);
    const stranger = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }), kid: parsed?.kid ?? '' };
    const answer = await get({ token: signJwt(change({ ...parsed?.claims }), stranger) });
    expect([answer.status, answer.text]).toEqual([401, expect.stringContaining('[InvalidTokenSignature]')]);
  });

  it('with a changed byte, or without a form, is refused', async () => {
    await using azure = await startAzureSimulator();
    const { token, get } = await prepared(azure);
    const [head, claims, signature] = token.split('.');
    const changed = `${head}.${claims?.replace(/^../, 'ab')}.${signature}`;
    for (const wrong of [changed, 'abc', 'a.b.c', `${head}.${claims}.`]) {
      expect((await get({ token: wrong })).status).toBe(401);
    }
    expect((await get()).status).toBe(200);
  });

  it('without a signature, which says so itself, is refused', async () => {
    await using azure = await startAzureSimulator();
    const { token, get } = await prepared(azure);
    const head = Buffer.from(JSON.stringify({ alg: 'none', kid: parseJwt(token)?.kid })).toString('base64url');
    expect((await get({ token: `${head}.${token.split('.')[1]}.AAAA` })).status).toBe(401);
  });

  it('for another resource is refused by vault and HSM alike', async () => {
    await using azure = await startAzureSimulator();
    const { application, token, get } = await prepared(azure);
    const other = await get({ token: await tokenOf(azure, application, 'https://management.azure.com') });
    expect([other.status, other.text]).toEqual([401, expect.stringContaining('AKV10022: Invalid audience')]);
    expect((await get({ token: await tokenOf(azure, application, hsm) })).status).toBe(401);
    expect((await vaultCall(azure, 'keys', { token, origin: azure.hsmUrl })).status).toBe(401);
  });

  it('of another tenant is refused', async () => {
    await using azure = await startAzureSimulator();
    const { get } = await prepared(azure);
    const stranger = azure.createApplication({ tenant: '11111111-2222-3333-4444-555555555555' });
    const answer = await get({ token: await tokenOf(azure, stranger) });
    expect([answer.status, answer.text]).toEqual([401, expect.stringContaining('AKV10032: Invalid issuer')]);
  });

  it('of another simulator is refused', async () => {
    await using azure = await startAzureSimulator();
    await using other = await startAzureSimulator();
    const { get } = await prepared(azure);
    expect((await get({ token: await tokenOf(other, other.createApplication()) })).status).toBe(401);
  });

  it('is good for an hour by the clock of the simulator', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const { get } = await prepared(azure);
    clock.advance(3_599_000);
    expect((await get()).status).toBe(200);
    clock.advance(1_000);
    const answer = await get();
    expect([answer.status, answer.text]).toEqual([401, expect.stringContaining('[TokenExpired]')]);
    expect(answer.headers.has('www-authenticate')).toBe(true);
  });

  it('ends when all are ended, and a new one works', async () => {
    await using azure = await startAzureSimulator();
    const { application, get } = await prepared(azure);
    azure.expireTokens();
    expect((await get()).status).toBe(401);
    expect((await get({ token: await tokenOf(azure, application) })).status).toBe(200);
  });

  it('is worth nothing while its application is disabled', async () => {
    await using azure = await startAzureSimulator();
    const { application, get } = await prepared(azure);
    application.disable();
    expect((await get()).status).toBe(401);
    application.enable();
    expect((await get()).status).toBe(200);
  });
});

describe('permissions', () => {
  it('are none at first', async () => {
    await using azure = await startAzureSimulator();
    const { key } = await prepared(azure);
    const token = await tokenOf(azure, azure.createApplication());
    for (const path of ['keys', `keys/${key.name}`, `keys/${key.name}/versions`, 'deletedkeys']) {
      expect((await vaultCall(azure, path, { token })).code).toBe('ForbiddenByPolicy');
    }
  });

  it('of the seed read and unwrap, and do not wrap, encrypt, delete or purge', async () => {
    await using azure = await startAzureSimulator();
    const { key, token } = await prepared(azure);
    const post = async (use: string) =>
      (await vaultCall(azure, `keys/${key.name}/${key.version}/${use}`, { token, body: wrap })).code;
    expect(await Promise.all(['wrapkey', 'encrypt', 'unwrapkey', 'decrypt'].map(post))).toEqual([
      'ForbiddenByPolicy',
      'ForbiddenByPolicy',
      'BadParameter',
      'BadParameter',
    ]);
    expect((await vaultCall(azure, `keys/${key.name}`, { token, method: 'DELETE' })).code).toBe('ForbiddenByPolicy');
    expect((await vaultCall(azure, `deletedkeys/${key.name}`, { token, method: 'DELETE' })).status).toBe(403);
  });

  it('are named in the refusal, in the words of access policies', async () => {
    await using azure = await startAzureSimulator();
    const { application, key, token } = await prepared(azure);
    const answer = await vaultCall(azure, `keys/${key.name}/${key.version}/wrapkey`, { token, body: wrap });
    expect(answer.status).toBe(403);
    expect(answer.json).toMatchObject({
      error: {
        code: 'Forbidden',
        message: expect.stringContaining('does not have keys wrapKey permission on key vault'),
        innererror: { code: 'ForbiddenByPolicy' },
      },
    });
    expect(answer.text).toContain(`oid=${application.objectId}`);
  });

  it('are named by their action where roles decide', async () => {
    await using azure = await startAzureSimulator();
    const { key, token } = await prepared(azure);
    azure.setPermissionModel('rbac');
    const answer = await vaultCall(azure, `keys/${key.name}/${key.version}/wrapkey`, { token, body: wrap });
    expect([answer.status, answer.code]).toEqual([403, 'ForbiddenByRbac']);
    expect(answer.text).toContain('Microsoft.KeyVault/vaults/keys/wrap/action');
  });

  it('of the managed HSM are refused without an inner code', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    const { name, version } = azure.createKey({ kty: 'oct-HSM' });
    azure.grant(application.objectId, '*', ['unwrapKey']);
    const token = await tokenOf(azure, application, hsm);
    const call = { token, origin: azure.hsmUrl };
    const wrapped = await vaultCall(azure, `keys/${name}/${version}/wrapkey`, { ...call, body: wrap });
    expect(wrapped.json).toEqual({
      error: { code: 'Forbidden', message: expect.stringContaining('keys/wrap/action') },
    });
    const read = await vaultCall(azure, `keys/${name}`, call);
    expect([read.status, read.text]).toEqual([403, expect.stringContaining('managedHsm/keys/read/action')]);
  });

  it('hold for one key or for all, and are replaced by what is granted next', async () => {
    await using azure = await startAzureSimulator();
    const { application, key } = await prepared(azure);
    const other = azure.createKey({ kty: 'EC' });
    const token = await tokenOf(azure, application);
    const codes = async () => [
      (await vaultCall(azure, `keys/${key.name}`, { token })).code,
      (await vaultCall(azure, `keys/${other.name}`, { token })).code,
    ];
    expect(await codes()).toEqual(['ok', 'ok']);
    azure.grant(application.objectId, '*', []);
    expect(await codes()).toEqual(['ForbiddenByPolicy', 'ForbiddenByPolicy']);
    azure.grant(application.objectId, key.name, ['get']);
    expect(await codes()).toEqual(['ok', 'ForbiddenByPolicy']);
  });

  it('are checked before it is told whether a key exists', async () => {
    await using azure = await startAzureSimulator();
    const token = await tokenOf(azure, azure.createApplication());
    expect((await vaultCall(azure, 'keys/nobody', { token })).code).toBe('ForbiddenByPolicy');
  });
});

describe('the firewall', () => {
  it('refuses those with a token, whatever they may do, and challenges those without', async () => {
    await using azure = await startAzureSimulator();
    const { get } = await prepared(azure);
    azure.setFirewall('closed');
    const answer = await get();
    expect([answer.status, answer.code]).toEqual([403, 'ForbiddenByFirewall']);
    expect(answer.text).toContain('Client address is not authorized');
    expect((await get({})).status).toBe(401);
    azure.setFirewall('open');
    expect((await get()).status).toBe(200);
  });

  it('leaves the directory alone', async () => {
    await using azure = await startAzureSimulator();
    azure.setFirewall('closed');
    expect((await askForToken(azure, azure.createApplication())).status).toBe(200);
  });
});
