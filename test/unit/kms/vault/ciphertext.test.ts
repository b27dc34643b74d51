import { describe, expect, it } from 'vitest';
import { entryOf, readCiphertext, versionOf } from '../../../../src/kms/vault/ciphertext.ts';

const keyId = 'https://vault.example.com/v1/team/transit/keys/orders';
const keyIdBytes = Buffer.from(keyId);
const text = `vault:v17:${Buffer.alloc(60, 9).toString('base64')}`;

function ciphertext(of = text) {
  const parts = readCiphertext(of);
  if (parts === undefined) throw new Error('not a ciphertext');
  return parts;
}

describe('a ciphertext of Vault', () => {
  it('tells its version and how long it is', () => {
    expect(ciphertext()).toEqual({ text, version: '17', length: 60 });
  });

  it.each([
    '',
    'vault:v1:',
    'vault:v0:AAAA',
    'vault:v01:AAAA',
    'vault:v-1:AAAA',
    'vault:v12345678901:AAAA',
    'vault:v1:AAA',
    'vault:v1:AAB=',
    'vault:v1:AAAA\n',
    'vault:v1:AA AA',
    'Vault:v1:AAAA',
    'vault:v1:AA-_',
    ' vault:v1:AAAA',
    'bao:v1:AAAA',
  ])('is none: %j', (other) => {
    expect(readCiphertext(other)).toBeUndefined();
  });
});

describe('an entry of Vault', () => {
  it('names the provider, the key with its version, and holds the ciphertext as it was given', () => {
    const entry = entryOf(keyId, ciphertext());
    expect(Object.values(entry).map(String)).toEqual(['vault-transit', `${keyId}/17`, text]);
    expect(versionOf(entry, keyIdBytes)).toBe('17');
  });

  it.each(['/0', '/01', '/', '/1x', '/12345678901', '1', '/1/', '/1\n', '/../1'])(
    'is no key’s with the version %j',
    (end) => {
      const entry = { ...entryOf(keyId, ciphertext()), providerInfo: Buffer.from(keyId + end) };
      expect(versionOf(entry, keyIdBytes)).toBeUndefined();
    },
  );

  it('is not of a key whose name begins alike', () => {
    const entry = entryOf(`${keyId}s`, ciphertext());
    expect(versionOf(entry, keyIdBytes)).toBeUndefined();
  });
});
