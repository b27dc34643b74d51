/** The transit engine of the simulator over raw HTTP: what it opens, what it refuses, and in whose words. */
import { describe, expect, it } from 'vitest';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator, type VaultSimulator } from '../../simulators/vault/server.ts';

const secret = base64('secret');

async function encrypt(vault: VaultSimulator, name: string, token: string, body: object = {}): Promise<string> {
  const { data } = await call(vault, `transit/encrypt/${name}`, { token, body: { plaintext: secret, ...body } });
  return String(data['ciphertext']);
}

/** The ciphertext with one bit of its last byte changed. */
function tampered(ciphertext: string): string {
  const at = ciphertext.lastIndexOf(':') + 1;
  const bytes = Buffer.from(ciphertext.slice(at), 'base64');
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return ciphertext.slice(0, at) + bytes.toString('base64');
}

describe('encrypt and decrypt', () => {
  it.each(['aes128-gcm96', 'aes256-gcm96', 'chacha20-poly1305', 'rsa-2048'] as const)(
    'are each other’s inverse under %s, and two ciphertexts of one text differ',
    async (type) => {
      await using vault = await startVaultSimulator();
      const token = await tokenFor(vault);
      const { name } = vault.createKey({ type });
      const [one, other] = [await encrypt(vault, name, token), await encrypt(vault, name, token)];
      expect(one).not.toBe(other);
      expect(one).toMatch(/^vault:v1:[A-Za-z0-9+/]+={0,2}$/);
      for (const ciphertext of [one, other]) {
        const { status, data } = await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext } });
        expect([status, data]).toEqual([200, { plaintext: secret }]);
      }
    },
  );

  it.each([
    ['aes256-gcm96', 400, 'cipher: message authentication failed'],
    ['chacha20-poly1305', 400, 'chacha20poly1305: message authentication failed'],
    ['rsa-2048', 500, '1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n'],
  ] as const)('refuse a changed ciphertext of %s with %i', async (type, status, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey({ type });
    const body = { ciphertext: tampered(await encrypt(vault, name, token)) };
    const answer = await call(vault, `transit/decrypt/${name}`, { token, body });
    expect([answer.status, answer.errors]).toEqual([status, [text]]);
  });

  it('keep two keys of one type apart', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const [one, other] = [vault.createKey(), vault.createKey()];
    const body = { ciphertext: await encrypt(vault, one.name, token) };
    const answer = await call(vault, `transit/decrypt/${other.name}`, { token, body });
    expect(answer.errors).toEqual(['cipher: message authentication failed']);
  });

  it.each([
    ['', 'missing ciphertext to decrypt'],
    ['x', 'invalid ciphertext: no prefix'],
    ['Vault:v1:AAAA', 'invalid ciphertext: no prefix'],
    ['vault:v1', 'invalid ciphertext: wrong number of fields'],
    ['vault:vx:AAAA', 'invalid ciphertext: version number could not be decoded'],
    ['vault:v9:AAAA', 'invalid ciphertext: version is too new'],
    ['vault:v-1:AAAA', 'ciphertext or signature version is disallowed by policy (too old)'],
    ['vault:v1:*', 'invalid ciphertext: could not decode base64'],
    ['vault:v1:', 'invalid ciphertext length'],
    ['vault:v1:AAAA', 'invalid ciphertext length'],
    ['vault:v0:AAAAAAAAAAAAAAAAAAAAAAAAAAA=', 'cipher: message authentication failed'],
  ])('say of %j what is wrong with it', async (ciphertext, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const answer = await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext } });
    expect([answer.status, answer.errors]).toEqual([400, [text]]);
  });

  it.each([
    ['ab=', 'illegal base64 data at input byte 3'],
    ['***', 'illegal base64 data at input byte 0'],
    ['QQ', 'illegal base64 data at input byte 0'],
    ['QUJD!', 'illegal base64 data at input byte 4'],
    ['QQ==x', 'illegal base64 data at input byte 4'],
  ])('name the byte of %j that is not base64', async (plaintext, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const answer = await call(vault, `transit/encrypt/${name}`, { token, body: { plaintext } });
    expect([answer.status, answer.errors]).toEqual([400, [text]]);
  });

  it('ignore fields that nobody knows, with a warning', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const body = { plaintext: secret, zeta: 1, alpha: 2, name: 'other' };
    const { status, body: answer } = await call(vault, `transit/encrypt/${name}`, { token, body });
    expect([status, answer['warnings']]).toEqual([
      200,
      [
        'Endpoint ignored these unrecognized parameters: [alpha zeta]',
        "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
      ],
    ]);
  });
});

describe('associated data', () => {
  it('has to be the same again, and cannot be left out', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const ciphertext = await encrypt(vault, name, token, { associated_data: base64('a') });
    const statusWith = async (fields: object) =>
      (await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext, ...fields } })).status;
    expect(await statusWith({ associated_data: base64('a') })).toBe(200);
    expect(await statusWith({ associated_data: base64('b') })).toBe(400);
    expect(await statusWith({})).toBe(400);
    expect(await statusWith({ associated_data: '*' })).toBe(500);
  });

  it('is lost on rewrap, which therefore does not open what was bound to some', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const associated_data = base64('a');
    const body = { ciphertext: await encrypt(vault, name, token, { associated_data }), associated_data };
    const answer = await call(vault, `transit/rewrap/${name}`, { token, body });
    expect([answer.status, answer.errors]).toEqual([400, ['cipher: message authentication failed']]);
  });

  it('is refused for RSA, and ignored with a warning by datakey', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const [rsa, aes] = [vault.createKey({ type: 'rsa-2048' }), vault.createKey()];
    const body = { plaintext: secret, associated_data: base64('a') };
    const refused = await call(vault, `transit/encrypt/${rsa.name}`, { token, body });
    expect(refused.errors).toEqual(["'[0].associated_data' provided for non-AEAD cipher suite rsa-2048"]);
    const made = await call(vault, `transit/datakey/plaintext/${aes.name}`, {
      token,
      body: { associated_data: base64('a') },
    });
    expect(made.body['warnings']).toEqual(['Endpoint ignored these unrecognized parameters: [associated_data]']);
    const { ciphertext } = made.data;
    const opened = await call(vault, `transit/decrypt/${aes.name}`, { token, body: { ciphertext } });
    expect(opened.data['plaintext']).toBe(made.data['plaintext']);
  });
});

describe('a derived key', () => {
  it('opens with the context of the item alone', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey({ derived: true });
    const ciphertext = await encrypt(vault, name, token, { context: base64('c') });
    const open = (fields: object) => call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext, ...fields } });
    expect((await open({ context: base64('c') })).data).toEqual({ plaintext: secret });
    expect((await open({ context: base64('d') })).errors).toEqual(['cipher: message authentication failed']);
    const missing = /^missing 'context' for key derivation/;
    expect((await open({})).errors).toEqual([expect.stringMatching(missing)]);
    const dataKey = await call(vault, `transit/datakey/plaintext/${name}`, { token, body: {} });
    expect([dataKey.status, dataKey.errors]).toEqual([400, [expect.stringMatching(missing)]]);
  });

  it('stays bound through a rewrap', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const key = vault.createKey({ derived: true });
    const context = base64('c');
    const old = await encrypt(vault, key.name, token, { context });
    key.rotate();
    const { data } = await call(vault, `transit/rewrap/${key.name}`, { token, body: { ciphertext: old, context } });
    expect([data['key_version'], data['ciphertext']]).toEqual([2, expect.stringMatching(/^vault:v2:/)]);
    const body = { ciphertext: data['ciphertext'], context };
    const opened = await call(vault, `transit/decrypt/${key.name}`, { token, body });
    expect(opened.data).toEqual({ plaintext: secret });
  });
});

describe('datakey', () => {
  it.each([
    [{}, 32],
    [{ bits: 128 }, 16],
    [{ bits: 512 }, 64],
    [{ bits: '256' }, 32],
  ])('with %j makes a key of %i bytes that decrypt opens', async (body, bytes) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const { data } = await call(vault, `transit/datakey/plaintext/${name}`, { token, body });
    expect(Buffer.from(String(data['plaintext']), 'base64')).toHaveLength(bytes);
    const { ciphertext } = data;
    const opened = await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext } });
    expect(opened.data['plaintext']).toBe(data['plaintext']);
  });

  it('keeps the plaintext to itself when asked for a wrapped key', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey();
    const { data } = await call(vault, `transit/datakey/wrapped/${name}`, { token, body: {} });
    expect(Object.keys(data)).toEqual(['ciphertext', 'key_version']);
  });

  it.each([
    ['datakey/other/k', {}, "Invalid path, must be 'plaintext' or 'wrapped'"],
    ['datakey/plaintext/k', { bits: 333 }, 'invalid bit length'],
    ['datakey/plaintext/k', { context: '*' }, 'failed to base64-decode context'],
    ['datakey/plaintext/nobody', {}, 'encryption key not found'],
    [
      'datakey/plaintext/k',
      { key_version: 2 },
      'requested version for encryption is higher than the latest key version',
    ],
    ['decrypt/nobody', { ciphertext: 'vault:v1:AAAA' }, 'encryption key not found'],
    ['rewrap/nobody', { ciphertext: 'vault:v1:AAAA' }, 'encryption key not found'],
    ['encrypt/k', {}, 'missing plaintext to encrypt'],
  ])('and its neighbours refuse %s with %j', async (path, body, text) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    vault.createKey({ name: 'k' });
    const answer = await call(vault, `transit/${path}`, { token, body });
    expect([answer.status, answer.errors]).toEqual([400, [text]]);
  });
});

describe('a key that cannot encrypt', () => {
  it.each(['ecdsa-p256', 'ed25519'] as const)('%s says so', async (type) => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey({ type });
    const encrypting = `message encryption not supported for key type ${type}`;
    const decrypting = `message decryption not supported for key type ${type}`;
    const errors = async (path: string, body: object) =>
      (await call(vault, `transit/${path}/${name}`, { token, body })).errors;
    expect(await errors('encrypt', { plaintext: secret })).toEqual([encrypting]);
    expect(await errors('datakey/plaintext', {})).toEqual([encrypting]);
    expect(await errors('decrypt', { ciphertext: 'vault:v1:AAAA' })).toEqual([decrypting]);
    expect(await errors('rewrap', { ciphertext: 'vault:v1:AAAA' })).toEqual([decrypting]);
  });
});
