/** Keys of the simulated transit engine: reading, making, rotating, limiting and deleting them. */
import { describe, expect, it } from 'vitest';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator } from '../../simulators/vault/server.ts';

describe('reading a key', () => {
  it('shows what a client may know of it, and no secret', async () => {
    await using vault = await startVaultSimulator({ clock: { now: () => 1_700_000_000_123 } });
    const token = await tokenFor(vault);
    vault.createKey({ name: 'k' });
    const { status, data } = await call(vault, 'transit/keys/k', { token });
    expect([status, data]).toEqual([
      200,
      {
        allow_plaintext_backup: false,
        auto_rotate_period: 0,
        deletion_allowed: false,
        derived: false,
        exportable: false,
        imported_key: false,
        keys: { '1': 1_700_000_000 },
        latest_version: 1,
        min_available_version: 0,
        min_decryption_version: 1,
        min_encryption_version: 0,
        name: 'k',
        soft_deleted: false,
        supports_decryption: true,
        supports_derivation: true,
        supports_encryption: true,
        supports_signing: false,
        type: 'aes256-gcm96',
      },
    ]);
  });

  it.each([
    ['rsa-2048', 'rsa-2048', true, /^-----BEGIN PUBLIC KEY-----/],
    ['ecdsa-p256', 'P-256', false, /^-----BEGIN PUBLIC KEY-----/],
    ['ed25519', 'ed25519', false, /^[A-Za-z0-9+/]{43}=$/],
  ] as const)('of type %s shows public keys', async (type, name, encrypts, form) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    vault.createKey({ name: 'k', type });
    const { data } = await call(vault, 'transit/keys/k', { token });
    expect([data['supports_encryption'], data['type'], data['keys']]).toEqual([
      encrypts,
      type,
      { '1': expect.objectContaining({ name, public_key: expect.stringMatching(form) }) },
    ]);
  });

  it('that nobody made is a 404 without a text, and so is a list of none', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    vault.mountTransit('transit');
    const answers = [
      await call(vault, 'transit/keys/nobody', { token }),
      await call(vault, 'transit/keys?list=true', { token }),
    ];
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [404, { errors: [] }],
      [404, { errors: [] }],
    ]);
  });
});

describe('versions', () => {
  it('older than the newest still decrypt, until the minimum passes them', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const key = vault.createKey({ name: 'k' });
    const body = { plaintext: base64('x') };
    const old = (await call(vault, 'transit/encrypt/k', { token, body })).data['ciphertext'];
    key.rotate();
    const fresh = await call(vault, 'transit/encrypt/k', { token, body });
    expect([fresh.data['ciphertext'], fresh.data['key_version']]).toEqual([expect.stringMatching(/^vault:v2:/), 2]);
    const open = async () => (await call(vault, 'transit/decrypt/k', { token, body: { ciphertext: old } })).errors;
    expect(await open()).toBeUndefined();
    await key.config({ min_decryption_version: 2 });
    expect(await open()).toEqual(['ciphertext or signature version is disallowed by policy (too old)']);
    expect((await call(vault, 'transit/keys/k', { token })).data['keys']).toEqual({ '2': expect.any(Number) });
    await key.config({ min_decryption_version: 1 });
    expect(await open()).toBeUndefined();
  });

  it.each([
    [3, 'requested version for encryption is higher than the latest key version'],
    [-1, 'requested version for encryption is negative'],
    [1, 'requested version for encryption is less than the minimum encryption key version'],
  ])('that cannot encrypt say why: %i', async (key_version, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const key = vault.createKey({ name: 'k' });
    key.rotate();
    await key.config({ min_encryption_version: 2 });
    const body = { plaintext: base64('x'), key_version };
    expect((await call(vault, 'transit/encrypt/k', { token, body })).errors).toEqual([text]);
  });
});

describe('config', () => {
  it.each([
    [{ min_decryption_version: 5 }, 'cannot set min decryption version of 5, latest key version is 2'],
    [{ min_encryption_version: -1 }, 'min encryption version cannot be negative'],
    [
      { min_decryption_version: 2, min_encryption_version: 1 },
      'cannot set min encryption/decryption values; min encryption version of 1 must be greater than or equal to min decryption version of 2',
    ],
    [{ auto_rotate_period: '1m' }, 'auto rotate period must be 0 to disable or at least an hour'],
  ])('refuses %j and changes nothing', async (body, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    vault.createKey({ name: 'k' }).rotate();
    const before = (await call(vault, 'transit/keys/k', { token })).data;
    const answer = await call(vault, 'transit/keys/k/config', { token, body: { exportable: true, ...body } });
    expect([answer.status, answer.errors]).toEqual([400, [text]]);
    expect((await call(vault, 'transit/keys/k', { token })).data).toEqual(before);
  });
});

describe('over HTTP', () => {
  it('a key is made, rotated, allowed to go, and gone', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    vault.mountTransit('transit');
    const ask = async (method: string, path: string, body?: object) => {
      const answer = await call(vault, `transit/keys/${path}`, { method, token, ...(body && { body }) });
      return [answer.status, answer.errors?.[0] ?? answer.data['latest_version']];
    };
    expect(await ask('POST', 'k', { type: 'des' })).toEqual([400, 'unknown key type des']);
    expect(await ask('POST', 'k', {})).toEqual([200, 1]);
    expect(await ask('POST', 'k/rotate', {})).toEqual([200, 2]);
    expect(await ask('POST', 'nobody/rotate', {})).toEqual([400, 'key not found']);
    expect(await ask('POST', 'nobody/config', {})).toEqual([400, 'no existing key named nobody could be found']);
    const kept = 'error deleting policy k: deletion is not allowed for this key';
    expect(await ask('DELETE', 'k')).toEqual([400, kept]);
    expect(await ask('POST', 'k/config', { deletion_allowed: true })).toEqual([200, 2]);
    expect(await ask('DELETE', 'k')).toEqual([204, undefined]);
    expect(await ask('DELETE', 'k')).toEqual([400, 'error deleting policy k: could not delete key; not found']);
  });
});

describe('encrypting under a name that nothing has', () => {
  const body = { plaintext: base64('x') };

  it('makes the key for whoever may create, and is forbidden to whoever may only update', async () => {
    await using vault = await startVaultSimulator();
    vault.mountTransit('transit');
    const updater = await tokenFor(vault, { 'transit/encrypt/*': ['update'] });
    const creator = await tokenFor(vault, { 'transit/encrypt/*': ['create'] });
    const status = async (token: string) => (await call(vault, 'transit/encrypt/new', { token, body })).status;
    expect(await status(updater)).toBe(403);
    expect(await status(creator)).toBe(200);
    expect(await status(creator)).toBe(403);
    expect(await status(updater)).toBe(200);
  });

  it('makes a derived key where a context is given', async () => {
    await using vault = await startVaultSimulator();
    vault.mountTransit('transit');
    const token = await tokenFor(vault);
    await call(vault, 'transit/encrypt/new', { token, body: { ...body, context: base64('c') } });
    expect((await call(vault, 'transit/keys/new', { token })).data['derived']).toBe(true);
  });

  it('is refused once the mount forbids it', async () => {
    await using vault = await startVaultSimulator();
    vault.mountTransit('transit');
    const token = await tokenFor(vault);
    await call(vault, 'transit/config/keys', { token, body: { disable_upsert: true } });
    const answer = await call(vault, 'transit/encrypt/new', { token, body });
    expect([answer.status, answer.errors]).toEqual([400, ['encryption key not found']]);
  });
});
