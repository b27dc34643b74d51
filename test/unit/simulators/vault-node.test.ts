/** The simulated node: health, seal, standby, quota, TLS, injected faults, and what it remembers of the calls. */
import { get } from 'node:https';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../simulators/http/fault.ts';
import { base64, call, movableClock, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator, type VaultSimulator } from '../../simulators/vault/server.ts';

const body = { plaintext: base64('x') };

describe('sys/health', () => {
  it.each<[number, string, (vault: VaultSimulator) => void]>([
    [200, '', () => {}],
    [503, '', (vault) => vault.seal()],
    [501, '', (vault) => vault.setInitialized(false)],
    [429, '', (vault) => vault.setStandby('forwarding')],
    [472, '', (vault) => vault.setStandby('forwarding', 'dr-secondary')],
    [473, '', (vault) => vault.setStandby('forwarding', 'performance-standby')],
    [200, '?standbyok=true', (vault) => vault.setStandby('forwarding')],
    [200, '?perfstandbyok=true', (vault) => vault.setStandby('forwarding', 'performance-standby')],
    [299, '?standbycode=299', (vault) => vault.setStandby('redirecting')],
    [204, '?sealedcode=204', (vault) => vault.seal()],
    [400, '?activecode=x', () => {}],
  ])('answers %i%s', async (status, query, change) => {
    await using vault = await startVaultSimulator();
    change(vault);
    expect((await call(vault, `sys/health${query}`)).status).toBe(status);
    expect(vault.count('health')).toBe(1);
  });

  it('tells the state, and is the root namespace’s alone', async () => {
    await using vault = await startVaultSimulator({ clock: { now: () => 1_700_000_000_000 } });
    expect((await call(vault, 'sys/health')).body).toMatchObject({
      initialized: true,
      sealed: false,
      standby: false,
      server_time_utc: 1_700_000_000,
    });
    vault.createNamespace('ns1');
    const answer = await call(vault, 'sys/health', { namespace: 'ns1' });
    expect([answer.status, answer.errors]).toEqual([400, ['operation unavailable in namespaces']]);
    const byPath = await call(vault, 'ns1/sys/health');
    expect([byPath.status, byPath.errors]).toEqual([400, ['operation unavailable in namespaces']]);
    expect((await call(vault, 'sys/health', { method: 'POST', body: {} })).status).toBe(405);
  });
});

describe('a sealed server', () => {
  it('refuses everything but its state, and works on once it is unsealed', async () => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    const token = await tokenFor(vault);
    vault.seal();
    const sealed = await call(vault, `transit/encrypt/${name}`, { token, body });
    expect([sealed.status, sealed.errors]).toEqual([503, ['Vault is sealed']]);
    expect((await call(vault, 'sys/seal-status')).body).toMatchObject({ sealed: true, initialized: true, t: 1 });
    vault.unseal();
    expect((await call(vault, `transit/encrypt/${name}`, { token, body })).status).toBe(200);
  });
});

describe('a standby', () => {
  it('that forwards answers as the active node does', async () => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    const token = await tokenFor(vault);
    vault.setStandby('forwarding');
    expect((await call(vault, `transit/encrypt/${name}`, { token, body })).status).toBe(200);
  });

  it('that redirects names the active node, which answers', async () => {
    await using vault = await startVaultSimulator();
    const { name } = vault.createKey();
    const token = await tokenFor(vault);
    vault.setStandby('redirecting');
    const path = `transit/encrypt/${name}`;
    const redirected = await call(vault, path, { token, body });
    expect([redirected.status, redirected.headers.get('location'), redirected.text]).toEqual([
      307,
      `${vault.activeAddress}/v1/${path}`,
      '',
    ]);
    expect((await call(vault, path, { token, body, address: vault.activeAddress })).status).toBe(200);
    expect((await call(vault, 'sys/health', { address: vault.activeAddress })).status).toBe(200);
  });
});

describe('the rate limit', () => {
  it('turns away what exceeds it, logins included, until time has passed', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    const { name } = vault.createKey();
    const token = await tokenFor(vault);
    vault.setRateLimit(2);
    const ask = async () => call(vault, `transit/encrypt/${name}`, { token, body });
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
    const limited = await ask();
    const text = `request path "transit/encrypt/${name}": rate limit quota exceeded`;
    expect([limited.status, limited.errors]).toEqual([429, [text]]);
    expect((await call(vault, 'auth/approle/login', { body: {} })).status).toBe(429);
    expect((await call(vault, 'sys/health')).status).toBe(200);
    clock.advance(1);
    expect((await ask()).status).toBe(200);
  });
});

describe('a fault', () => {
  async function ending(vault: VaultSimulator, token: string, path: string): Promise<string> {
    const asked = fetch(`${vault.address}/v1/${path}`, {
      method: 'POST',
      headers: { 'x-vault-token': token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(150),
    }).then(async (response) => `${response.status} ${(await response.text()).slice(0, 6)}`);
    return asked.catch((error: Error) => error.name);
  }

  it.each<[Fault, string, string]>([
    [{ kind: 'error', code: 'unwell', status: 500, message: 'no' }, '500 {"erro', 'no'],
    [
      { kind: 'error', code: 'index', status: 412, message: 'required index state not present' },
      '412 {"erro',
      'required index state not present',
    ],
    [{ kind: 'throttle' }, '429 {"erro', 'request path "transit/encrypt/k": rate limit quota exceeded'],
    [{ kind: 'html', status: 502 }, '502 <html>', 'fault:html'],
    [{ kind: 'reset' }, 'TypeError', 'fault:reset'],
    [{ kind: 'hang' }, 'TimeoutError', 'fault:hang'],
    [{ kind: 'half-open' }, 'TimeoutError', 'ok'],
    [{ kind: 'truncate' }, 'TypeError', 'ok'],
    [{ kind: 'trickle', msPerByte: 50 }, 'TimeoutError', 'ok'],
    [{ kind: 'latency', ms: 1 }, '200 {"requ', 'ok'],
  ])('$kind reaches the client once and then no more', async (fault, seen, recorded) => {
    await using vault = await startVaultSimulator();
    vault.createKey({ name: 'k' });
    const token = await tokenFor(vault);
    vault.faults.add({ operation: 'encrypt', times: 1, fault });
    expect(await ending(vault, token, 'transit/encrypt/k')).toBe(seen);
    expect(await ending(vault, token, 'transit/encrypt/k')).toBe('200 {"requ');
    const outcomes = vault.calls.filter(({ operation }) => operation === 'encrypt').map(({ outcome }) => outcome);
    expect(outcomes).toEqual([recorded, 'ok']);
  });

  it('meets the operation, key and namespace that it is for', async () => {
    await using vault = await startVaultSimulator();
    vault.createNamespace('ns1');
    vault.createKey({ name: 'k' });
    vault.createKey({ name: 'other' });
    vault.createKey({ name: 'k', namespace: 'ns1' });
    const token = await tokenFor(vault, { '+/encrypt/+': ['update'], 'ns1/transit/encrypt/k': ['update'] });
    const fault: Fault = { kind: 'error', code: 'x', status: 500 };
    const rule = vault.faults.add({ operation: 'encrypt', key: 'k', namespace: 'ns1', fault });
    const status = async (path: string) => (await call(vault, path, { token, body })).status;
    expect(await status('transit/encrypt/k')).toBe(200);
    expect(await status('transit/encrypt/other')).toBe(200);
    expect(await status('ns1/transit/encrypt/k')).toBe(500);
    rule.remove();
    expect(await status('ns1/transit/encrypt/k')).toBe(200);
  });

  it('throttle tells how long to wait when asked to', async () => {
    await using vault = await startVaultSimulator();
    vault.faults.add({ fault: { kind: 'throttle', retryAfterSeconds: 3 } });
    expect((await call(vault, 'sys/health')).headers.get('retry-after')).toBe('3');
  });
});

describe('TLS', () => {
  it('is the simulator’s own authority’s, and no stranger trusts it', async () => {
    await using vault = await startVaultSimulator({ tls: true });
    const status = (options: object) =>
      new Promise((done) => {
        const request = get(`${vault.address}/v1/sys/health`, { ...options, agent: false }, (response) => {
          response.resume();
          response.on('end', () => done(response.statusCode));
        });
        request.on('error', (error) => done('code' in error ? error.code : error.name));
      });
    expect(vault.address).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await status({ ca: vault.ca })).toBe(200);
    expect(await status({})).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});

describe('the record of calls', () => {
  it('names key, mount, namespace and caller, and holds no secret', async () => {
    const clock = movableClock();
    await using vault = await startVaultSimulator({ clock });
    vault.createKey({ name: 'k', mount: 'kms/transit' });
    const role = vault.approle({ policies: ['p'] });
    vault.createPolicy('p', { 'kms/transit/*': ['update'] });
    const secret = role.newSecretId();
    const { auth } = await call(vault, 'auth/approle/login', { body: { role_id: role.roleId, secret_id: secret } });
    const token = String(auth['client_token']);
    const { data, body: answer } = await call(vault, 'kms/transit/encrypt/k', { token, body });
    await call(vault, 'kms/transit/decrypt/k', { token, body: { ciphertext: 'vault:v1:AAAA' } });
    expect(vault.calls).toEqual([
      expect.objectContaining({ operation: 'approle-login', mount: 'auth/approle', status: 200, outcome: 'ok' }),
      {
        operation: 'encrypt',
        method: 'POST',
        key: 'k',
        mount: 'kms/transit',
        accessor: auth['accessor'],
        requestId: answer['request_id'],
        status: 200,
        outcome: 'ok',
        at: clock.now(),
      },
      expect.objectContaining({ operation: 'decrypt', status: 400, outcome: 'invalid ciphertext length' }),
    ]);
    const kept = JSON.stringify(vault.calls);
    for (const hidden of [secret, token, String(data['ciphertext']), body.plaintext]) {
      expect(kept).not.toContain(hidden);
    }
    expect(vault.count('encrypt', { key: 'k' })).toBe(1);
    expect(vault.count('encrypt', { key: 'other' })).toBe(0);
  });

  it('ends with an error where the simulator itself has failed', async () => {
    const vault = await startVaultSimulator();
    vault.mountTransit('transit');
    const token = await tokenFor(vault);
    const convergent = { derived: true, convergent_encryption: true };
    await expect(call(vault, 'transit/keys/k', { token, body: convergent })).rejects.toThrow(TypeError);
    await expect(vault[Symbol.asyncDispose]()).rejects.toThrow(AggregateError);
  });
});

describe('a set-up that no server would take', () => {
  it.each<[string, (vault: VaultSimulator) => unknown]>([
    ['two keys of one name', (vault) => [vault.createKey({ name: 'k' }), vault.createKey({ name: 'k' })]],
    ['a mount inside a mount', (vault) => [vault.mountTransit('a'), vault.mountTransit('a/b')]],
    [
      'a key under a login method',
      (vault) => [vault.approle({ policies: [] }), vault.createKey({ mount: 'auth/approle' })],
    ],
    ['a namespace without a parent', (vault) => vault.createNamespace('a/b')],
    ['a namespace twice', (vault) => [vault.createNamespace('a'), vault.createNamespace('a')]],
    ['a key in no namespace', (vault) => vault.createKey({ namespace: 'nope' })],
  ])('throws: %s', async (_title, setUp) => {
    await using vault = await startVaultSimulator();
    expect(() => setUp(vault)).toThrow();
  });
});
