/** States, purposes and descriptions of keys, and what an external key manager may answer. */
import { describe, expect, it } from 'vitest';
import type { Message } from '../../simulators/gcp/definitions.ts';
import { type EkmErrorDomain, ekmErrors } from '../../simulators/gcp/ekm.ts';
import type { Algorithm, VersionState } from '../../simulators/gcp/keys.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const plaintext = Buffer.from('x');
const [invalidArgument, notFound, failedPrecondition, unimplemented] = [3, 5, 9, 12];
const dayMs = 86_400_000;

const unusable: readonly VersionState[] = [
  'DISABLED',
  'DESTROY_SCHEDULED',
  'DESTROYED',
  'PENDING_GENERATION',
  'PENDING_IMPORT',
  'IMPORT_FAILED',
  'GENERATION_FAILED',
  'PENDING_EXTERNAL_DESTRUCTION',
  'EXTERNAL_DESTRUCTION_FAILED',
];

function names(answer: Message): string[] {
  const versions = answer['cryptoKeyVersions'];
  if (!Array.isArray(versions)) throw new Error('the answer has no versions');
  return versions.map((version) => String(version.name).split('/').at(-1) ?? '');
}

describe('a version', () => {
  it.each(unusable)('in the state %s encrypts and decrypts nothing, and says why', async (state) => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.setState(state);
    for (const [method, data] of [
      ['Encrypt', { plaintext }],
      ['Decrypt', { ciphertext }],
    ] as const) {
      const refusal = await client.refusal(method, { name: key.name, ...data });
      expect(refusal.code).toBe(failedPrecondition);
      expect(refusal.message).toBe(`${key.versionName()} is not enabled, current state is: ${state}.`);
      expect(refusal.violations).toEqual([
        expect.objectContaining({ type: `KEY_${state}`, subject: key.versionName() }),
      ]);
    }
  });

  it.each(['AsymmetricDecrypt', 'GetPublicKey'])('that is disabled refuses %s', async (method) => {
    await using prepared = await prepareKey({ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' });
    const { client, key } = prepared;
    key.disable();
    const refusal = await client.refusal(method, { name: key.versionName(), ciphertext: plaintext });
    expect([refusal.code, refusal.violations[0]?.type]).toEqual([failedPrecondition, 'KEY_DISABLED']);
  });

  it('is told as disabled before its ciphertext and associated data are looked at', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.disable();
    const additionalAuthenticatedData = Buffer.from('wrong');
    const request = { name: key.name, ciphertext, additionalAuthenticatedData };
    expect((await client.refusal('Decrypt', request)).code).toBe(failedPrecondition);
  });

  it('works again when it is enabled', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.disable();
    key.enable();
    expect((await client.call('Decrypt', { name: key.name, ciphertext }))['plaintext']).toEqual(plaintext);
  });

  it('is disabled alone: the others go on', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const old = await client.call('Encrypt', { name: key.name, plaintext });
    key.rotate();
    key.disable(1);
    const refusal = await client.refusal('Decrypt', { name: key.name, ciphertext: old['ciphertext'] });
    expect(refusal.violations[0]?.subject).toBe(key.versionName(1));
    expect(await client.call('Encrypt', { name: key.name, plaintext })).toMatchObject({ name: key.versionName(2) });
  });

  it('that is scheduled for destruction comes back disabled, or is destroyed for good when its time is over', async () => {
    const clock = new FakeClock();
    await using prepared = await prepareKey({ clock });
    const { client, key, gcp, account } = prepared;
    key.scheduleDestruction();
    const stateNow = async () => {
      const token = account.accessToken();
      return (await client.call('GetCryptoKeyVersion', { name: key.versionName() }, { token }))['state'];
    };
    expect(await stateNow()).toBe('DESTROY_SCHEDULED');
    key.restore();
    expect(await stateNow()).toBe('DISABLED');
    key.scheduleDestruction({ days: 2 });
    clock.advance(2 * dayMs);
    expect(await stateNow()).toBe('DESTROYED');
    key.enable();
    key.restore();
    expect(await stateNow()).toBe('DESTROYED');
    expect(gcp.count('GetCryptoKeyVersion', { outcome: 'ok', key: key.name })).toBe(4);
  });
});

describe('a key', () => {
  it('without a primary version encrypts nothing by its own name', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    key.setPrimary(undefined);
    expect((await client.refusal('Encrypt', { name: key.name, plaintext })).code).toBe(failedPrecondition);
    expect((await client.call('GetCryptoKey', { name: key.name }))['primary']).toBeNull();
    expect(await client.call('Encrypt', { name: key.versionName(1), plaintext })).toMatchObject({
      name: key.versionName(1),
    });
  });

  it.each<[Algorithm, string]>([
    ['RSA_DECRYPT_OAEP_2048_SHA256', 'Encrypt'],
    ['RSA_DECRYPT_OAEP_2048_SHA256', 'Decrypt'],
    ['GOOGLE_SYMMETRIC_ENCRYPTION', 'AsymmetricDecrypt'],
    ['GOOGLE_SYMMETRIC_ENCRYPTION', 'GetPublicKey'],
    ['EC_SIGN_P256_SHA256', 'AsymmetricDecrypt'],
    ['AES_256_GCM', 'Encrypt'],
    ['HMAC_SHA256', 'Encrypt'],
  ])('of algorithm %s is not for %s', async (algorithm, method) => {
    await using prepared = await prepareKey({ algorithm });
    const { client, key } = prepared;
    const name = method === 'Encrypt' || method === 'Decrypt' ? key.name : key.versionName();
    const refusal = await client.refusal(method, { name, plaintext, ciphertext: plaintext });
    expect(refusal.code).toBe(failedPrecondition);
    expect(refusal.violations).toEqual([]);
  });

  it('is described with its primary, purpose and level', async () => {
    await using prepared = await prepareKey({ protectionLevel: 'HSM' });
    const { client, key } = prepared;
    expect(await client.call('GetCryptoKey', { name: key.name })).toMatchObject({
      name: key.name,
      purpose: 'ENCRYPT_DECRYPT',
      primary: { name: key.versionName(1), state: 'ENABLED', protectionLevel: 'HSM' },
      versionTemplate: { protectionLevel: 'HSM', algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' },
    });
  });

  it('lists its versions in pages, filtered, and by name when asked: "10" comes before "2" then', async () => {
    await using prepared = await prepareKey({ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' });
    const { client, key } = prepared;
    for (let version = 2; version <= 11; version++) key.rotate();
    const list = (request: object) => client.call('ListCryptoKeyVersions', { parent: key.name, ...request });
    const first = await list({ pageSize: 8 });
    expect([names(first).length, first['totalSize']]).toEqual([8, 11]);
    const rest = await list({ pageSize: 8, pageToken: first['nextPageToken'] });
    expect([...names(first), ...names(rest)]).toEqual(Array.from({ length: 11 }, (_, index) => String(index + 1)));
    expect(rest['nextPageToken']).toBe('');
    expect(names(await list({ orderBy: 'name' })).slice(0, 4)).toEqual(['1', '10', '11', '2']);
    expect(names(await list({ orderBy: 'name desc' }))[0]).toBe('9');
    key.disable(11);
    const enabled = await list({ filter: 'state=ENABLED' });
    expect([names(enabled).length, enabled['totalSize']]).toEqual([10, 0]);
    expect(names(await list({ filter: 'state=DISABLED OR state = DESTROYED' }))).toEqual(['11']);
    expect(names(await list({ filter: 'state!=ENABLED AND protection_level:soft' }))).toEqual(['11']);
    expect(names(await list({ filter: '-state="ENABLED" name:cryptokeyversions/11' }))).toEqual(['11']);
    for (const wrong of [{ filter: 'state>1' }, { filter: 'colour=red' }, { orderBy: 'state' }, { pageToken: 'x' }]) {
      const refusal = await client.refusal('ListCryptoKeyVersions', { parent: key.name, ...wrong });
      expect(refusal.code).toBe(invalidArgument);
    }
  });

  it('that is gone is not found by whoever may look into its project, and hidden from everyone else', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp, account } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.remove();
    expect((await client.refusal('Decrypt', { name: key.name, ciphertext })).reason).toBe('IAM_PERMISSION_DENIED');
    gcp.grant(account.email, `projects/${gcp.project}`, 'roles/cloudkms.cryptoKeyDecrypter');
    expect((await client.refusal('Decrypt', { name: key.name, ciphertext })).code).toBe(notFound);
  });

  it('is named by its whole name alone', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    for (const name of ['', 'key', key.name.slice(1), `${key.name}/`, `${key.name}/cryptoKeyVersions/0`]) {
      expect((await client.refusal('Encrypt', { name, plaintext })).code).toBe(invalidArgument);
    }
    const missing = await client.refusal('Encrypt', { name: `${key.name}/cryptoKeyVersions/9`, plaintext });
    expect(missing.code).toBe(notFound);
  });

  it.each(['RawEncrypt', 'CreateCryptoKey', 'SetIamPolicy'])('knows no %s', async (method) => {
    await using prepared = await prepareKey();
    const refusal = await prepared.client.refusal(method, {});
    expect(refusal.code).toBe(unimplemented);
  });
});

describe('an external key', () => {
  it('works while its key manager does', async () => {
    await using prepared = await prepareKey({ protectionLevel: 'EXTERNAL' });
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    expect(await client.call('Decrypt', { name: key.name, ciphertext })).toMatchObject({ protectionLevel: 'EXTERNAL' });
  });

  const domains = Object.keys(ekmErrors) as EkmErrorDomain[];
  it.each(domains.filter((domain) => domain !== 'DECRYPTION_FAILED' && domain !== 'EXTERNAL_PERMISSION_DENIED'))(
    'answers %s with two violations, the second of that type, and works again afterwards',
    async (domain) => {
      await using prepared = await prepareKey({ protectionLevel: 'EXTERNAL' });
      const { client, key } = prepared;
      key.setEkm(domain);
      const refusal = await client.refusal('Encrypt', { name: key.name, plaintext });
      expect(refusal.code).toBe(failedPrecondition);
      expect(refusal.violations.map(({ type }) => type)).toEqual(['KEY_ENABLED', domain]);
      key.setEkm(undefined);
      await client.call('Encrypt', { name: key.name, plaintext });
    },
  );

  it('whose manager denies permission is disabled by that', async () => {
    await using prepared = await prepareKey({ protectionLevel: 'EXTERNAL' });
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.setEkm('EXTERNAL_PERMISSION_DENIED');
    const first = await client.refusal('Decrypt', { name: key.name, ciphertext });
    expect(first.violations.map(({ type }) => type)).toEqual(['KEY_DISABLED', 'EXTERNAL_PERMISSION_DENIED']);
    key.setEkm(undefined);
    const second = await client.refusal('Decrypt', { name: key.name, ciphertext });
    expect(second.violations.map(({ type }) => type)).toEqual(['KEY_DISABLED']);
  });

  it('whose manager cannot decrypt blames the request', async () => {
    await using prepared = await prepareKey({ protectionLevel: 'EXTERNAL' });
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    key.setEkm('DECRYPTION_FAILED');
    const refusal = await client.refusal('Decrypt', { name: key.name, ciphertext });
    expect([refusal.code, refusal.violations]).toEqual([invalidArgument, []]);
  });

  it('is the only kind that has a manager', async () => {
    await using prepared = await prepareKey();
    expect(() => prepared.key.setEkm('TIMEOUT')).toThrow('not an external one');
    expect(() => prepared.gcp.createKey({ protectionLevel: 'EXTERNAL', algorithm: 'HMAC_SHA256' })).toThrow(TypeError);
  });
});
