/** Keys of the simulator: real cryptography, checked with Node's own, and the states that Microsoft documents. */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { tokenOf, vaultCall } from '../../simulators/azure/clients.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import type { SimulatedKey } from '../../simulators/azure/simulated-key.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const everything = ['get', 'list', 'delete', 'recover', 'purge', 'encrypt', 'decrypt', 'wrapKey', 'unwrapKey'] as const;
type Use = 'wrapkey' | 'unwrapkey' | 'encrypt' | 'decrypt';

/** Somebody who may do everything, on the vault or on the HSM. */
async function administrator(azure: AzureSimulator, place: 'vault' | 'hsm' = 'vault') {
  const application = azure.createApplication();
  azure.grant(application.objectId, '*', everything);
  const resource = place === 'hsm' ? 'https://managedhsm.azure.net' : 'https://vault.azure.net';
  const origin = place === 'hsm' ? azure.hsmUrl : azure.vaultUrl;
  const call = { token: await tokenOf(azure, application, resource), origin };
  const use = (key: SimulatedKey, operation: Use, body: { alg: string; value: Buffer }, version = key.version) =>
    vaultCall(azure, `keys/${key.name}/${version}/${operation}`, {
      ...call,
      body: { alg: body.alg, value: body.value.toString('base64url') },
    });
  return {
    use,
    call: (path: string, more: object = {}) => vaultCall(azure, path, { ...call, ...more }),
    publicKeyOf: async (key: SimulatedKey): Promise<KeyObject> => {
      const { json } = await vaultCall(azure, `keys/${key.name}`, call);
      const { n, e } = json['key'] as { n: string; e: string };
      return createPublicKey({ key: { kty: 'RSA', n, e } as JsonWebKey, format: 'jwk' });
    },
  };
}

function bytesOf(answer: { json: Readonly<Record<string, unknown>> }): Buffer {
  return Buffer.from(String(answer.json['value']), 'base64url');
}

const paddings = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
};

describe('an RSA key', () => {
  it.each(['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const)('with %s opens what Node has encrypted', async (alg) => {
    await using azure = await startAzureSimulator();
    const { use, publicKeyOf } = await administrator(azure);
    const key = azure.createKey();
    const plaintext = randomBytes(32);
    const value = publicEncrypt({ key: await publicKeyOf(key), ...paddings[alg] }, plaintext);
    for (const operation of ['unwrapkey', 'decrypt'] as const) {
      const answer = await use(key, operation, { alg, value });
      expect(answer.json['kid']).toBe(key.kid());
      expect(bytesOf(answer)).toEqual(plaintext);
    }
  });

  it.each(['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const)(
    'with %s wraps anew each time, and opens both',
    async (alg) => {
      await using azure = await startAzureSimulator();
      const { use } = await administrator(azure);
      const key = azure.createKey({ kty: 'RSA-HSM' });
      const plaintext = randomBytes(32);
      const wrapped = [
        await use(key, 'wrapkey', { alg, value: plaintext }),
        await use(key, 'encrypt', { alg, value: plaintext }),
      ];
      expect(bytesOf(wrapped[0] ?? { json: {} })).not.toEqual(bytesOf(wrapped[1] ?? { json: {} }));
      for (const answer of wrapped) {
        expect(bytesOf(await use(key, 'unwrapkey', { alg, value: bytesOf(answer) }))).toEqual(plaintext);
      }
    },
  );

  it.each([
    ['RSA-OAEP-256', 2048, 190],
    ['RSA-OAEP', 2048, 214],
    ['RSA1_5', 2048, 245],
    ['RSA-OAEP-256', 3072, 318],
  ] as const)('with %s of %i bits takes %i bytes and no more', async (alg, size, most) => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure);
    const key = azure.createKey({ size });
    expect((await use(key, 'wrapkey', { alg, value: Buffer.alloc(most) })).code).toBe('ok');
    const answer = await use(key, 'wrapkey', { alg, value: Buffer.alloc(most + 1) });
    expect([answer.status, answer.code]).toEqual([400, 'BadParameter']);
  });

  it('answers bytes that it did not make with BadParameter: changed, cut, of another key, of another algorithm', async () => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure);
    const [key, other] = [azure.createKey(), azure.createKey()];
    const alg = 'RSA-OAEP-256';
    const value = bytesOf(await use(key, 'wrapkey', { alg, value: randomBytes(32) }));
    const changed = Buffer.from(value);
    changed[100] = (changed[100] ?? 0) ^ 1;
    const answers = [
      await use(key, 'unwrapkey', { alg, value: changed }),
      await use(key, 'unwrapkey', { alg, value: value.subarray(1) }),
      await use(other, 'unwrapkey', { alg, value }),
      await use(key, 'unwrapkey', { alg: 'RSA-OAEP', value }),
      await use(key, 'unwrapkey', { alg: 'RSA1_5', value }),
    ];
    expect(answers.map(({ status, code }) => [status, code])).toEqual(answers.map(() => [400, 'BadParameter']));
  });

  it('has no AES key wrap', async () => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure);
    const answer = await use(azure.createKey(), 'wrapkey', { alg: 'A256KW', value: randomBytes(32) });
    expect([answer.status, answer.code]).toEqual([400, 'BadParameter']);
    expect(answer.text).toContain("can only be used with a key of type 'oct-HSM'");
  });
});

describe('an EC key', () => {
  it.each(['wrapkey', 'unwrapkey', 'encrypt', 'decrypt'] as const)('cannot %s', async (operation) => {
    await using azure = await startAzureSimulator();
    const { use, call } = await administrator(azure);
    const key = azure.createKey({ kty: 'EC-HSM' });
    const answer = await use(key, operation, { alg: 'RSA-OAEP-256', value: randomBytes(32) });
    expect([answer.status, answer.code]).toEqual([400, 'BadParameter']);
    expect(answer.text).toContain("is of type 'EC-HSM'");
    expect((await call(`keys/${key.name}`)).json['key']).toMatchObject({
      kty: 'EC-HSM',
      crv: 'P-256',
      key_ops: ['sign', 'verify'],
    });
  });
});

describe('an AES key of the managed HSM', () => {
  it.each([
    ['A128KW', 128],
    ['A192KW', 192],
    ['A256KW', 256],
  ] as const)('with %s opens what it wrapped, which is 8 bytes longer and always the same', async (alg, size) => {
    await using azure = await startAzureSimulator();
    const { use, call } = await administrator(azure, 'hsm');
    const key = azure.createKey({ kty: 'oct-HSM', size });
    const plaintext = randomBytes(32);
    const wrapped = bytesOf(await use(key, 'wrapkey', { alg, value: plaintext }));
    expect(wrapped).toHaveLength(40);
    expect(bytesOf(await use(key, 'wrapkey', { alg, value: plaintext }))).toEqual(wrapped);
    expect(bytesOf(await use(key, 'unwrapkey', { alg, value: wrapped }))).toEqual(plaintext);
    expect((await call(`keys/${key.name}`)).json['key']).not.toHaveProperty('k');
  });

  it('refuses what does not fit: other sizes, parts of 8 bytes, changed bytes, RSA', async () => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure, 'hsm');
    const key = azure.createKey({ kty: 'oct-HSM' });
    const alg = 'A256KW';
    const wrapped = bytesOf(await use(key, 'wrapkey', { alg, value: randomBytes(32) }));
    wrapped[5] = (wrapped[5] ?? 0) ^ 1;
    const answers = [
      await use(key, 'wrapkey', { alg: 'A128KW', value: randomBytes(32) }),
      await use(key, 'wrapkey', { alg, value: randomBytes(31) }),
      await use(key, 'wrapkey', { alg, value: randomBytes(8) }),
      await use(key, 'unwrapkey', { alg, value: wrapped }),
      await use(key, 'unwrapkey', { alg, value: randomBytes(16) }),
      await use(key, 'wrapkey', { alg: 'RSA-OAEP-256', value: randomBytes(32) }),
    ];
    expect(answers.map(({ status, code }) => [status, code])).toEqual(answers.map(() => [400, 'BadParameter']));
  });

  it('exists nowhere else', async () => {
    await using azure = await startAzureSimulator();
    expect(() => azure.createKey({ kty: 'oct-HSM', hsm: false })).toThrow(TypeError);
    expect(() => azure.createKey({ kty: 'RSA', hsm: true })).toThrow(TypeError);
    expect(() => azure.createKey({ kty: 'EC', ops: ['wrapKey'] })).toThrow(TypeError);
    const { call } = await administrator(azure, 'vault');
    const { name } = azure.createKey({ kty: 'oct-HSM' });
    expect((await call(`keys/${name}`)).code).toBe('KeyNotFound');
  });
});

describe('the state of a key', () => {
  const alg = 'RSA-OAEP-256';

  it('disabled refuses to unwrap and decrypt, and wraps and encrypts all the same', async () => {
    await using azure = await startAzureSimulator();
    const { use, call } = await administrator(azure);
    const key = azure.createKey();
    const value = bytesOf(await use(key, 'wrapkey', { alg, value: randomBytes(32) }));
    key.setEnabled(false);
    for (const operation of ['unwrapkey', 'decrypt'] as const) {
      const answer = await use(key, operation, { alg, value });
      expect([answer.status, answer.code]).toEqual([403, 'KeyDisabled']);
      expect(answer.json).toMatchObject({ error: { code: 'Forbidden', innererror: { code: 'KeyDisabled' } } });
    }
    expect((await use(key, 'wrapkey', { alg, value: randomBytes(32) })).code).toBe('ok');
    expect((await use(key, 'encrypt', { alg, value: randomBytes(32) })).code).toBe('ok');
    expect((await call(`keys/${key.name}`)).json['attributes']).toMatchObject({ enabled: false });
    key.setEnabled(true);
    expect((await use(key, 'unwrapkey', { alg, value })).code).toBe('ok');
  });

  it('is one of each version', async () => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure);
    const key = azure.createKey();
    const old = key.version;
    const value = bytesOf(await use(key, 'wrapkey', { alg, value: randomBytes(32) }));
    const rotated = key.rotate();
    key.setEnabled(false, old);
    expect((await use(key, 'unwrapkey', { alg, value }, old)).code).toBe('KeyDisabled');
    expect((await use(key, 'unwrapkey', { alg, value }, rotated)).code).toBe('BadParameter');
  });

  it.each([
    ['not yet valid', { nbf: 60_000 }, 'KeyNotYetValid'],
    ['expired', { exp: 0 }, 'KeyExpired'],
  ] as const)('%s refuses to wrap and encrypt, and unwraps and decrypts all the same', async (_, times, code) => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const { use } = await administrator(azure);
    const key = azure.createKey();
    const value = bytesOf(await use(key, 'wrapkey', { alg, value: randomBytes(32) }));
    const shifted = Object.fromEntries(Object.entries(times).map(([name, offset]) => [name, clock.now() + offset]));
    key.setTimes(shifted);
    for (const operation of ['wrapkey', 'encrypt'] as const) {
      const answer = await use(key, operation, { alg, value: randomBytes(32) });
      expect([answer.status, answer.code]).toEqual([403, code]);
    }
    for (const operation of ['unwrapkey', 'decrypt'] as const) {
      expect((await use(key, operation, { alg, value })).code).toBe('ok');
    }
    key.setTimes({});
    expect((await use(key, 'wrapkey', { alg, value })).code).toBe('BadParameter');
    expect((await use(key, 'wrapkey', { alg, value: randomBytes(32) })).code).toBe('ok');
  });

  it('comes with time, without anybody who changes it', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const { use } = await administrator(azure);
    const key = azure.createKey();
    key.setTimes({ nbf: clock.now() + 10_000, exp: clock.now() + 20_000 });
    const code = async () => (await use(key, 'wrapkey', { alg, value: randomBytes(32) })).code;
    expect(await code()).toBe('KeyNotYetValid');
    clock.advance(10_000);
    expect(await code()).toBe('ok');
    clock.advance(10_000);
    expect(await code()).toBe('KeyExpired');
  });

  it('has nothing to do with key_ops, which refuse in their own way', async () => {
    await using azure = await startAzureSimulator();
    const { use } = await administrator(azure);
    const key = azure.createKey({ ops: ['decrypt', 'unwrapKey'] });
    const answer = await use(key, 'wrapkey', { alg, value: randomBytes(32) });
    expect([answer.status, answer.code]).toEqual([403, 'KeyOperationForbidden']);
    expect(answer.text).toContain('Operation wrapKey is not permitted on this key.');
    expect((await use(key, 'unwrapkey', { alg, value: randomBytes(256) })).code).toBe('BadParameter');
  });
});
