/** Logins to the simulator by AppRole and Kubernetes, and the life of the tokens that they give. */
import { describe, expect, it } from 'vitest';
import { call, movableClock, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator, type VaultSimulator } from '../../simulators/vault/server.ts';

async function logIn(vault: VaultSimulator, body: object, mount = 'approle') {
  return call(vault, `auth/${mount}/login`, { body });
}

describe('AppRole', () => {
  it('gives a token with its lease, policies and role', async () => {
    await using vault = await startVaultSimulator();
    const role = vault.approle({ name: 'app', policies: ['Transit'], tokenTtl: 600, tokenMaxTtl: 1200 });
    const { status, auth, body } = await logIn(vault, { role_id: role.roleId, secret_id: role.newSecretId() });
    expect([status, body['data'], auth]).toEqual([
      200,
      null,
      {
        client_token: expect.stringMatching(/^s\.[A-Za-z0-9]{24}$/),
        accessor: expect.stringMatching(/^[A-Za-z0-9]{24}$/),
        policies: ['default', 'transit'],
        token_policies: ['default', 'transit'],
        metadata: { role_name: 'app' },
        lease_duration: 600,
        renewable: true,
        entity_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        token_type: 'service',
        orphan: true,
        mfa_requirement: null,
        num_uses: 0,
      },
    ]);
  });

  it('spends one use of a secret id with each login, and none on a refused one', async () => {
    await using vault = await startVaultSimulator();
    const role = vault.approle({ policies: [], secretIdNumUses: 2 });
    const secret_id = role.newSecretId();
    const ask = async (role_id: string) => (await logIn(vault, { role_id, secret_id })).status;
    expect(await ask('nobody')).toBe(400);
    expect(role.usesLeft(secret_id)).toBe(2);
    expect([await ask(role.roleId), await ask(role.roleId)]).toEqual([200, 200]);
    expect(role.usesLeft(secret_id)).toBe(0);
    const used = await logIn(vault, { role_id: role.roleId, secret_id });
    expect([used.status, used.errors]).toEqual([400, ['invalid role or secret ID']]);
  });

  it('takes a secret id until its time is over', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const role = vault.approle({ policies: [], secretIdTtl: 60 });
    const body = { role_id: role.roleId, secret_id: role.newSecretId() };
    clock.advance(59);
    expect((await logIn(vault, body)).status).toBe(200);
    clock.advance(1);
    expect((await logIn(vault, body)).errors).toEqual(['invalid role or secret ID']);
  });

  it.each([
    [500, 'missing role_id', () => ({})],
    [400, 'missing secret_id', (roleId: string) => ({ role_id: roleId })],
    [400, 'invalid role or secret ID', () => ({ role_id: 'x', secret_id: 'y' })],
    [400, 'invalid role or secret ID', (roleId: string) => ({ role_id: roleId, secret_id: 'y' })],
  ])('answers %i: %s', async (status, text, body) => {
    await using vault = await startVaultSimulator();
    const answer = await logIn(vault, body(vault.approle({ policies: [] }).roleId));
    expect([answer.status, answer.errors]).toEqual([status, [text]]);
  });

  it('locks a role for a quarter of an hour after five wrong secret ids', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const role = vault.approle({ policies: [] });
    const right = { role_id: role.roleId, secret_id: role.newSecretId() };
    for (let wrong = 0; wrong < 5; wrong++) await logIn(vault, { ...right, secret_id: `wrong ${wrong}` });
    const locked = await logIn(vault, right);
    expect([locked.status, locked.errors]).toEqual([403, ['permission denied']]);
    clock.advance(900);
    expect((await logIn(vault, right)).status).toBe(200);
  });

  it('takes logins from the addresses of the role alone', async () => {
    await using vault = await startVaultSimulator();
    const far = vault.approle({ policies: [], boundCidrs: ['10.0.0.0/8'] });
    const near = vault.approle({ policies: [], boundCidrs: ['127.0.0.0/8'] });
    const refused = await logIn(vault, { role_id: far.roleId, secret_id: far.newSecretId() });
    const text = 'source address "127.0.0.1" unauthorized by CIDR restrictions on the role: %!w(<nil>)';
    expect([refused.status, refused.errors]).toEqual([400, [text]]);
    expect((await logIn(vault, { role_id: near.roleId, secret_id: near.newSecretId() })).status).toBe(200);
  });

  it('works under another mount, and is a 403 where nothing is mounted', async () => {
    await using vault = await startVaultSimulator();
    const role = vault.approle({ mount: 'teams/app', policies: [] });
    const body = { role_id: role.roleId, secret_id: role.newSecretId() };
    expect((await logIn(vault, body, 'teams/app')).status).toBe(200);
    const nowhere = await logIn(vault, body);
    expect([nowhere.status, nowhere.errors]).toEqual([403, ['permission denied']]);
  });
});

describe('Kubernetes auth', () => {
  const options = { role: 'keyproxy', audience: 'vault', policies: ['p'] } as const;

  it('gives a token for a projected token of the role’s account', async () => {
    await using vault = await startVaultSimulator();
    const { token } = vault.kubernetes(options);
    const { status, auth } = await logIn(vault, { role: 'keyproxy', jwt: token() }, 'kubernetes');
    expect([status, auth['metadata'], auth['policies']]).toEqual([
      200,
      {
        role: 'keyproxy',
        service_account_name: 'keyproxy',
        service_account_namespace: 'keyproxy',
        service_account_secret_name: '',
        service_account_uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
      ['default', 'p'],
    ]);
  });

  it.each([
    [400, 'missing role', { role: '' }],
    [400, 'missing jwt', { jwt: '' }],
    [400, 'invalid role name "x"', { role: 'x' }],
    [403, 'permission denied', { jwt: 'a.b.c' }],
  ])('answers %i: %s', async (status, text, body) => {
    await using vault = await startVaultSimulator();
    const { token } = vault.kubernetes(options);
    const answer = await logIn(vault, { role: 'keyproxy', jwt: token(), ...body }, 'kubernetes');
    expect([answer.status, answer.errors]).toEqual([status, [text]]);
  });

  it.each([
    ['permission denied', { foreign: true }],
    ['invalid audience (aud) claim: audience claim does not match any expected audience', { audience: 'other' }],
    ['service account name not authorized', { name: 'other' }],
    ['namespace not authorized', { namespace: 'other' }],
    ['invalid issuer (iss) claim', { issuer: 'https://other' }],
    ['invalid expiration time (exp) claim: token is expired', { expiresInSeconds: -61 }],
    ['permission denied', { expiresInSeconds: -59 }],
  ])('answers 403: %s', async (text, overrides) => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const issuer = 'https://kubernetes.default.svc.cluster.local';
    const { token } = vault.kubernetes({ ...options, issuer });
    const answer = await logIn(vault, { role: 'keyproxy', jwt: token(overrides) }, 'kubernetes');
    expect([answer.status, answer.errors]).toEqual([403, [text]]);
  });

  it('does not take the tokens of another cluster', async () => {
    await using vault = await startVaultSimulator();
    await using other = await startVaultSimulator();
    vault.kubernetes(options);
    const jwt = other.kubernetes(options).token();
    expect((await logIn(vault, { role: 'keyproxy', jwt }, 'kubernetes')).status).toBe(403);
  });
});

describe('a token', () => {
  const self = (vault: VaultSimulator, token: string) => call(vault, 'auth/token/lookup-self', { token });

  it('ends with its lease, and a dead one is told apart from a forbidden path by its text alone', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const token = await tokenFor(vault, {}, { tokenTtl: 60 });
    const forbidden = await call(vault, 'transit/keys/k', { token });
    expect([forbidden.status, forbidden.errors]).toEqual([403, ['1 error occurred:\n\t* permission denied\n\n']]);
    clock.advance(60);
    const dead = await call(vault, 'transit/keys/k', { token });
    expect([dead.status, dead.errors]).toEqual([403, ['permission denied']]);
  });

  it('that is dead is named as invalid by HashiCorp’s product, and spelled otherwise', async () => {
    await using vault = await startVaultSimulator({ product: 'vault' });
    const token = await tokenFor(vault);
    expect(token).toMatch(/^hvs\./);
    vault.revokeTokens();
    const text = '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n';
    expect((await self(vault, token)).errors).toEqual([text]);
  });

  it('is renewed up to its longest life, and then no more', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const token = await tokenFor(vault, {}, { tokenTtl: 600, tokenMaxTtl: 1000 });
    const renew = async (body: object) => {
      const { auth, body: answer } = await call(vault, 'auth/token/renew-self', { token, body });
      return [auth['lease_duration'], answer['warnings']];
    };
    clock.advance(300);
    expect(await renew({})).toEqual([600, null]);
    expect(await renew({ increment: '100s' })).toEqual([100, null]);
    const capped = 'TTL of "10m" exceeded the effective max_ttl of "8m20s"; TTL value is capped accordingly';
    clock.advance(99);
    expect(await renew({})).toEqual([600, null]);
    clock.advance(101);
    expect(await renew({})).toEqual([500, [capped]]);
    clock.advance(499);
    expect((await self(vault, token)).data).toMatchObject({ ttl: 1, creation_ttl: 600, renewable: true });
    clock.advance(1);
    expect((await self(vault, token)).status).toBe(403);
  });

  it('cannot be renewed once its role is gone', async () => {
    await using vault = await startVaultSimulator();
    const role = vault.approle({ name: 'app', policies: [] });
    const { auth } = await logIn(vault, { role_id: role.roleId, secret_id: role.newSecretId() });
    role.destroy();
    const token = String(auth['client_token']);
    const answer = await call(vault, 'auth/token/renew-self', { token, body: {} });
    const text = 'failed to renew entry: role "app" does not exist during renewal';
    expect([answer.status, answer.errors]).toEqual([500, [`1 error occurred:\n\t* ${text}\n\n`]]);
  });

  it('revokes itself', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    expect((await call(vault, 'auth/token/revoke-self', { method: 'POST', token })).status).toBe(204);
    expect((await self(vault, token)).status).toBe(403);
  });

  it('of the batch kind works, and can be neither renewed nor revoked', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault, {}, { tokenType: 'batch', tokenTtl: 60 });
    expect((await self(vault, token)).data).toMatchObject({ type: 'batch', renewable: false, accessor: '' });
    const errors = async (path: string) => (await call(vault, `auth/token/${path}`, { token, body: {} })).errors;
    expect(await errors('renew-self')).toEqual(['batch tokens cannot be renewed']);
    expect(await errors('revoke-self')).toEqual(['batch tokens cannot be revoked']);
  });

  it('may come as a bearer token', async () => {
    await using vault = await startVaultSimulator();
    const headers = { authorization: `Bearer ${await tokenFor(vault)}` };
    expect((await call(vault, 'auth/token/lookup-self', { headers })).status).toBe(200);
  });
});
