/** Policies, namespaces and unknown paths of the simulator: who is refused, and how. */
import { describe, expect, it } from 'vitest';
import { type Capability, capabilitiesOn, checkRules, type PolicyRules } from '../../simulators/vault/acl.ts';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator } from '../../simulators/vault/server.ts';

const denied = '1 error occurred:\n\t* permission denied\n\n';
const body = { plaintext: base64('x') };

describe('the rule that decides', () => {
  const on = (rules: PolicyRules, path: string) => capabilitiesOn([{ name: 'p', namespacePath: '', rules }], path);

  it.each<[string, PolicyRules, readonly Capability[]]>([
    ['no rule denies', {}, ['deny']],
    ['the exact path beats every pattern', { 'a/b': ['read'], 'a/*': ['update'], '+/b': ['list'] }, ['read']],
    ['the longer prefix beats the shorter', { 'a/*': ['read'], 'a/b*': ['update'] }, ['update']],
    ['a segment beats a prefix at the same place', { 'a/+': ['read'], 'a/*': ['update'] }, ['read']],
    ['a later wildcard beats an earlier one', { '+/b': ['read'], 'a/+': ['update'] }, ['update']],
    ['deny beats what stands beside it', { 'a/b': ['read', 'deny'] }, ['deny']],
    ['a deny on the exact path beats an allowed prefix', { 'a/*': ['read'], 'a/b': ['deny'] }, ['deny']],
    ['a segment is one whole segment', { '+': ['read'] }, ['deny']],
    ['a star in the middle is a letter', { 'a*b': ['read'] }, ['deny']],
  ])('%s', (_title, rules, expected) => {
    expect(on(rules, 'a/b')).toEqual(expected);
  });

  it('adds up policies for one and the same path', () => {
    const policies = [
      { name: 'p', namespacePath: '', rules: { 'a/b': ['read'] } },
      { name: 'q', namespacePath: '', rules: { 'a/b': ['update'] } },
    ] as const;
    expect(capabilitiesOn(policies, 'a/b')).toEqual(['read', 'update']);
  });

  it.each<PolicyRules>([{ '/a': ['read'] }, { 'a/+*': ['read'] }, { 'a+/b': ['read'] }, { a: ['fly' as never] }])(
    'cannot be written as %j',
    (rules) => {
      expect(() => checkRules(rules)).toThrow(TypeError);
    },
  );
});

describe('a token', () => {
  it('does what its policies allow, and nothing else', async () => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    const token = await tokenFor(vault, { [`transit/encrypt/${name}`]: ['update'] });
    expect((await call(vault, `transit/encrypt/${name}`, { token, body })).status).toBe(200);
    for (const path of [`transit/decrypt/${name}`, 'nothing/here', 'transit/nothing', 'sys/mounts']) {
      const answer = await call(vault, path, { token, body: {} });
      expect([path, answer.status, answer.errors]).toEqual([path, 403, [denied]]);
    }
  });

  it('learns its capabilities', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault, { 'transit/keys/+': ['update', 'read'] });
    const ask = (fields: object) => call(vault, 'sys/capabilities-self', { token, body: fields });
    const two = await ask({ paths: ['transit/keys/k', 'other'] });
    expect(two.data).toEqual({ 'transit/keys/k': ['read', 'update'], other: ['deny'] });
    const one = await ask({ path: 'transit/keys/k' });
    expect(one.data['capabilities']).toEqual(['read', 'update']);
    expect(one.body['capabilities']).toEqual(['read', 'update']);
    expect((await ask({})).errors).toEqual(['paths must be supplied']);
  });

  it('sees policies change with the next request', async () => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    vault.createPolicy('p', { 'transit/*': ['read'] });
    const role = vault.approle({ policies: ['p'] });
    const login = { role_id: role.roleId, secret_id: role.newSecretId() };
    const { auth } = await call(vault, 'auth/approle/login', { body: login });
    const read = async () =>
      (await call(vault, `transit/keys/${name}`, { token: String(auth['client_token']) })).status;
    expect(await read()).toBe(200);
    vault.createPolicy('p', {});
    expect(await read()).toBe(403);
  });
});

describe('a path that is not there', () => {
  it.each([
    ['POST', 'nothing/x', 404, 'no handler for route "nothing/x". route entry not found.'],
    ['GET', 'transit/nothing', 404, '1 error occurred:\n\t* unsupported path\n\n'],
    ['GET', 'transit/encrypt/k', 405, '1 error occurred:\n\t* unsupported operation\n\n'],
    ['DELETE', 'transit/encrypt/k', 405, '1 error occurred:\n\t* unsupported operation\n\n'],
    ['POST', 'transit/encrypt/k/', 400, "cannot write to a path ending in '/'"],
    ['POST', 'transit/encrypt/-k-', 404, '1 error occurred:\n\t* unsupported path\n\n'],
  ])('is refused to whoever may ask: %s %s', async (method, path, status, text) => {
    await using vault = await startVaultSimulator();
    vault.createKey({ name: 'k' });
    const token = await tokenFor(vault);
    const answer = await call(vault, path, { method, token, ...(method === 'POST' && { body }) });
    expect([answer.status, answer.errors]).toEqual([status, [text]]);
  });

  it('outside the API is a 404 without a text', async () => {
    await using vault = await startVaultSimulator();
    const answer = await fetch(`${vault.address}/v2/sys/health`);
    expect([answer.status, await answer.json()]).toEqual([404, { errors: [] }]);
  });

  it.each(['{', '[1]', '"a"', '5'])('and a body that is no object is refused: %s', async (text) => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    const token = await tokenFor(vault);
    const answer = await call(vault, `transit/encrypt/${name}`, { token, body: text === '"a"' ? '"a"' : text });
    expect([answer.status, answer.errors]).toEqual([400, ['error parsing JSON']]);
  });
});

describe('a namespace', () => {
  it('has mounts, keys, roles and policies of its own', async () => {
    await using vault = await startVaultSimulator();
    vault.createNamespace('ns1');
    vault.createKey({ name: 'k', namespace: 'ns1' });
    vault.mountTransit('transit');
    const token = await tokenFor(vault, undefined, { namespace: 'ns1' });
    expect(token).toMatch(/^s\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{6}$/);
    const status = async (path: string, namespace?: string) =>
      (await call(vault, path, { token, body, ...(namespace !== undefined && { namespace }) })).status;
    expect(await status('transit/encrypt/k', 'ns1')).toBe(200);
    expect(await status('transit/encrypt/k', '/ns1/')).toBe(200);
    expect(await status('ns1/transit/encrypt/k')).toBe(200);
    expect(await status('transit/encrypt/k')).toBe(403);
    expect(vault.count('encrypt', { namespace: 'ns1', key: 'k', status: 200 })).toBe(3);
  });

  it('is reached with a parent’s token where a policy names its path', async () => {
    await using vault = await startVaultSimulator();
    vault.createNamespace('ns1');
    vault.createKey({ name: 'k', namespace: 'ns1' });
    const allowed = await tokenFor(vault, { 'ns1/transit/encrypt/k': ['update'] });
    const other = await tokenFor(vault, { 'transit/encrypt/k': ['update'] });
    const status = async (token: string) =>
      (await call(vault, 'transit/encrypt/k', { token, namespace: 'ns1', body })).status;
    expect([await status(allowed), await status(other)]).toEqual([200, 403]);
  });

  it('that does not exist is a 404 by its header and a 404 or 403 by its path', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const byHeader = await call(vault, 'transit/encrypt/k', { token, namespace: 'nope', body });
    expect([byHeader.status, byHeader.errors]).toEqual([404, ['namespace not found']]);
    const byPath = await call(vault, 'nope/transit/encrypt/k', { token, body });
    expect([byPath.status, byPath.errors]).toEqual([
      404,
      ['no handler for route "nope/transit/encrypt/k". route entry not found.'],
    ]);
    const none = await tokenFor(vault, {});
    expect((await call(vault, 'nope/transit/encrypt/k', { token: none, body })).status).toBe(403);
  });

  it('lets its tokens look at themselves from anywhere', async () => {
    await using vault = await startVaultSimulator();
    vault.createNamespace('ns1');
    const token = await tokenFor(vault, {}, { namespace: 'ns1' });
    const { status, data } = await call(vault, 'auth/token/lookup-self', { token });
    expect([status, data['namespace_path']]).toEqual([200, 'ns1/']);
  });
});
