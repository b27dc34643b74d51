/** What Cloud KMS does with data under symmetric keys: associated data, checksums, sizes, versions. */
import { describe, expect, it } from 'vitest';
import { callOptions, officialClient } from '../../simulators/gcp/clients.ts';
import { crc32c, crc32cValue } from '../../simulators/gcp/crc32c.ts';
import type { Message } from '../../simulators/gcp/definitions.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';

const plaintext = Buffer.from('a data key of thirty-two bytes..');
const additionalAuthenticatedData = Buffer.from('tenant');
const invalidArgument = 3;

function bytesOf(message: Message, field: string): Buffer {
  const value = message[field];
  if (!Buffer.isBuffer(value)) throw new Error(`the answer has no ${field}`);
  return value;
}

describe('the checksum', () => {
  it.each([
    ['123456789', 0xe3069283],
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['', 0],
  ])('of %j is that of the RFC', (data, checksum) => {
    expect(crc32c(Buffer.from(data))).toBe(checksum);
  });
});

describe('a symmetric key', () => {
  it('opens what it encrypted, names the version, and answers with checksums', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const sealed = await client.call('Encrypt', { name: key.name, plaintext, additionalAuthenticatedData });
    const ciphertext = bytesOf(sealed, 'ciphertext');
    expect(sealed).toMatchObject({
      name: `${key.name}/cryptoKeyVersions/1`,
      ciphertextCrc32c: crc32cValue(ciphertext),
      verifiedPlaintextCrc32c: false,
      verifiedAdditionalAuthenticatedDataCrc32c: false,
      protectionLevel: 'SOFTWARE',
    });
    const opened = await client.call('Decrypt', { name: key.name, ciphertext, additionalAuthenticatedData });
    expect(opened).toEqual({
      plaintext,
      plaintextCrc32c: crc32cValue(plaintext),
      usedPrimary: true,
      protectionLevel: 'SOFTWARE',
    });
  });

  it("serves Google's own library", async () => {
    await using prepared = await prepareKey();
    const { gcp, key, account } = prepared;
    const library = officialClient(gcp);
    const options = callOptions(account.accessToken());
    const [sealed] = await library.encrypt(
      { name: key.name, plaintext, plaintextCrc32c: crc32cValue(plaintext) },
      options,
    );
    expect(sealed.verifiedPlaintextCrc32c).toBe(true);
    const [opened] = await library.decrypt({ name: key.name, ciphertext: sealed.ciphertext ?? '' }, options);
    expect(Buffer.from(opened.plaintext ?? '')).toEqual(plaintext);
    await expect(library.decrypt({ name: key.name, ciphertext: plaintext }, options)).rejects.toMatchObject({
      code: 3,
    });
    await library.close();
  });

  it('never makes the same ciphertext twice, and shows no plaintext in it', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const seal = async () => bytesOf(await client.call('Encrypt', { name: key.name, plaintext }), 'ciphertext');
    const [one, other] = [await seal(), await seal()];
    expect(one.equals(other)).toBe(false);
    expect(one.includes(plaintext)).toBe(false);
  });

  it('says that a checksum was looked at only where one came', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const request = { name: key.name, plaintext, additionalAuthenticatedData };
    const both = {
      ...request,
      plaintextCrc32c: crc32cValue(plaintext),
      additionalAuthenticatedDataCrc32c: crc32cValue(additionalAuthenticatedData),
    };
    expect(await client.call('Encrypt', both)).toMatchObject({
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
    });
    expect(await client.call('Encrypt', { ...both, additionalAuthenticatedDataCrc32c: null })).toMatchObject({
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: false,
    });
  });

  it.each([
    ['Encrypt', 'plaintextCrc32c'],
    ['Encrypt', 'additionalAuthenticatedDataCrc32c'],
    ['Decrypt', 'ciphertextCrc32c'],
    ['Decrypt', 'additionalAuthenticatedDataCrc32c'],
  ])('refuses %s with a wrong %s', async (method, field) => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    const data = method === 'Encrypt' ? { plaintext } : { ciphertext };
    const refusal = await client.refusal(method, { name: key.name, ...data, [field]: { value: '1' } });
    expect([refusal.code, refusal.message]).toEqual([
      invalidArgument,
      expect.stringContaining('_crc32c did not match'),
    ]);
  });

  it('opens nothing with other associated data, or none', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext, additionalAuthenticatedData });
    for (const aad of [Buffer.from('tenan'), Buffer.alloc(0)]) {
      const request = { name: key.name, ciphertext, additionalAuthenticatedData: aad };
      expect((await client.refusal('Decrypt', request)).code).toBe(invalidArgument);
    }
  });

  it('opens nothing that was changed or cut, wherever', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const sealed = bytesOf(await client.call('Encrypt', { name: key.name, plaintext }), 'ciphertext');
    const positions = [0, 1, 2, 20, 37, 38, 45, 50, 60, sealed.length - 16, sealed.length - 1];
    for (const at of positions) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect((await client.refusal('Decrypt', { name: key.name, ciphertext: changed })).code).toBe(invalidArgument);
    }
    for (const length of [0, 1, 38, 65, sealed.length - 1]) {
      const ciphertext = sealed.subarray(0, length);
      expect((await client.refusal('Decrypt', { name: key.name, ciphertext })).code).toBe(invalidArgument);
    }
  });

  it("opens nothing of another key's, and says to look at the name", async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp, account } = prepared;
    const other = gcp.createKey();
    gcp.grant(account.email, other.name, 'roles/cloudkms.cryptoKeyDecrypter');
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    const refusal = await client.refusal('Decrypt', { name: other.name, ciphertext });
    expect([refusal.code, refusal.message]).toEqual([
      invalidArgument,
      "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
    ]);
  });

  it('encrypts under its newest version after a rotation, and goes on opening the older ones', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const old = await client.call('Encrypt', { name: key.name, plaintext });
    expect(key.rotate()).toBe(2);
    const fresh = await client.call('Encrypt', { name: key.name, plaintext });
    expect(fresh['name']).toBe(`${key.name}/cryptoKeyVersions/2`);
    const primaries = [old, fresh].map(({ ciphertext }) => client.call('Decrypt', { name: key.name, ciphertext }));
    expect((await Promise.all(primaries)).map((opened) => opened['usedPrimary'])).toEqual([false, true]);
    const pinned = await client.call('Encrypt', { name: key.versionName(1), plaintext });
    expect(pinned['name']).toBe(`${key.name}/cryptoKeyVersions/1`);
  });

  it('takes the name of a version to encrypt, and that of the key alone to decrypt', async () => {
    await using prepared = await prepareKey();
    const { client, key } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.versionName(), plaintext });
    const refusal = await client.refusal('Decrypt', { name: key.versionName(), ciphertext });
    expect(refusal.code).toBe(invalidArgument);
  });

  it.each([
    ['SOFTWARE', 65_536, 65_536, 'ok'],
    ['SOFTWARE', 65_537, 0, invalidArgument],
    ['SOFTWARE', 1, 65_537, invalidArgument],
    ['HSM', 8_000, 192, 'ok'],
    ['HSM', 8_000, 193, invalidArgument],
    ['EXTERNAL', 65_536, 65_536, 'ok'],
  ] as const)(
    'of level %s meets %d bytes with %d of associated data: %s',
    async (protectionLevel, data, aad, expected) => {
      await using prepared = await prepareKey({ protectionLevel });
      const { client, key } = prepared;
      const request = {
        name: key.name,
        plaintext: Buffer.alloc(data),
        additionalAuthenticatedData: Buffer.alloc(aad),
      };
      if (expected === 'ok') expect(await client.call('Encrypt', request)).toMatchObject({ protectionLevel });
      else expect((await client.refusal('Encrypt', request)).code).toBe(expected);
    },
  );
});

describe('random bytes', () => {
  it('come from an HSM alone, 8 to 1024 of them, with a checksum', async () => {
    await using prepared = await prepareKey();
    const { gcp, client, account } = prepared;
    const location = `projects/${gcp.project}/locations/europe-west1`;
    gcp.grant(account.email, `projects/${gcp.project}`, 'cloudkms.locations.generateRandomBytes');
    const ask = { location, lengthBytes: 32, protectionLevel: 'HSM' };
    const made = await client.call('GenerateRandomBytes', ask);
    const data = bytesOf(made, 'data');
    expect([data.length, made['dataCrc32c']]).toEqual([32, crc32cValue(data)]);
    expect(bytesOf(await client.call('GenerateRandomBytes', ask), 'data').equals(data)).toBe(false);
    for (const lengthBytes of [7, 1025]) {
      expect((await client.refusal('GenerateRandomBytes', { ...ask, lengthBytes })).code).toBe(invalidArgument);
    }
    const software = await client.refusal('GenerateRandomBytes', { ...ask, protectionLevel: 'SOFTWARE' });
    expect(software.code).toBe(12);
  });
});
