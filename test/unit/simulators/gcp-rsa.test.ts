/** What Cloud KMS does under RSA keys: public halves, OAEP in its variants, versions. */
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { crc32cValue } from '../../simulators/gcp/crc32c.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';

const plaintext = Buffer.from('a data key of thirty-two bytes..');
const invalidArgument = 3;

describe('an RSA key', () => {
  const cases = [
    ['RSA_DECRYPT_OAEP_2048_SHA256', 'sha256', 2048],
    ['RSA_DECRYPT_OAEP_3072_SHA256', 'sha256', 3072],
    ['RSA_DECRYPT_OAEP_2048_SHA1', 'sha1', 2048],
    ['RSA_DECRYPT_OAEP_4096_SHA512', 'sha512', 4096],
    ['RSA_DECRYPT_OAEP_4096_SHA256', 'sha256', 4096],
  ] as const;

  it.each(cases)('%s opens what its public half encrypted with %s', async (algorithm, oaepHash, bits) => {
    await using prepared = await prepareKey({ algorithm });
    const { client, key } = prepared;
    const name = key.versionName();
    const half = await client.call('GetPublicKey', { name });
    expect(half).toMatchObject({ name, algorithm, protectionLevel: 'SOFTWARE' });
    const pem = String(half['pem']);
    expect(half['pemCrc32c']).toEqual(crc32cValue(Buffer.from(pem)));
    const publicKey = createPublicKey(pem);
    expect(publicKey.asymmetricKeyDetails?.modulusLength).toBe(bits);
    const encrypt = (hash: string) =>
      publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }, plaintext);
    const ciphertext = encrypt(oaepHash);
    const opened = await client.call('AsymmetricDecrypt', {
      name,
      ciphertext,
      ciphertextCrc32c: crc32cValue(ciphertext),
    });
    expect(opened).toEqual({
      plaintext,
      plaintextCrc32c: crc32cValue(plaintext),
      verifiedCiphertextCrc32c: true,
      protectionLevel: 'SOFTWARE',
    });
    const wrongHash = encrypt(oaepHash === 'sha256' ? 'sha1' : 'sha256');
    expect((await client.refusal('AsymmetricDecrypt', { name, ciphertext: wrongHash })).code).toBe(invalidArgument);
  });

  it('refuses a wrong checksum, changed bytes and nothing at all', async () => {
    await using prepared = await prepareKey({ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' });
    const { client, key } = prepared;
    const name = key.versionName();
    const ciphertext = Buffer.alloc(256, 7);
    for (const request of [
      { name, ciphertext, ciphertextCrc32c: { value: '0' } },
      { name, ciphertext },
      { name, ciphertext: Buffer.alloc(0) },
      { name: key.name, ciphertext },
    ]) {
      expect((await client.refusal('AsymmetricDecrypt', request)).code).toBe(invalidArgument);
    }
  });

  it('of two versions opens under each only its own', async () => {
    await using prepared = await prepareKey({ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' });
    const { client, key } = prepared;
    key.rotate();
    const { pem } = await client.call('GetPublicKey', { name: key.versionName(2) });
    const ciphertext = publicEncrypt(
      { key: String(pem), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      plaintext,
    );
    const opened = await client.call('AsymmetricDecrypt', { name: key.versionName(2), ciphertext });
    expect(opened['plaintext']).toEqual(plaintext);
    const refusal = await client.refusal('AsymmetricDecrypt', { name: key.versionName(1), ciphertext });
    expect(refusal.code).toBe(invalidArgument);
  });
});
