import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { algorithmOf, azureEntry, versionOf } from '../../../../src/kms/azure/entry.ts';

const keyId = 'https://acme.vault.azure.net/keys/orders';
const keyIdBytes = Buffer.from(keyId);
const hex = fc.stringMatching(/^[0-9a-f]{32}$/);

describe('an entry of an Azure key', () => {
  it('gives back the version that it was made with', () => {
    fc.assert(
      fc.property(hex, (version) => {
        const entry = azureEntry(keyId, version, Buffer.alloc(256));
        expect(entry.providerInfo.toString()).toBe(`${keyId}/${version}`);
        expect(versionOf(entry, keyIdBytes)).toBe(version);
      }),
    );
  });

  it('belongs to no key whose name begins alike', () => {
    fc.assert(
      fc.property(hex, fc.string({ minLength: 1, maxLength: 8 }), (version, more) => {
        const longer = azureEntry(`${keyId}${more}`, version, Buffer.alloc(256));
        expect(versionOf(longer, keyIdBytes)).toBeUndefined();
        const shorter = azureEntry(keyId.slice(0, -more.length), version, Buffer.alloc(256));
        expect(versionOf(shorter, keyIdBytes)).toBeUndefined();
      }),
    );
  });

  it('lets nothing through as a version but 32 lower-case hexadecimal digits', () => {
    const entry = azureEntry(keyId, '', Buffer.alloc(256));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const strange = { ...entry, providerInfo: Buffer.concat([entry.providerInfo, bytes]) };
        const version = versionOf(strange, keyIdBytes);
        expect(version === undefined || /^[0-9a-f]{32}$/.test(version)).toBe(true);
      }),
    );
    for (const version of [
      '0'.repeat(31),
      '0'.repeat(33),
      'F'.repeat(32),
      `${'0'.repeat(31)}/`,
      `${'0'.repeat(31)}?`,
    ]) {
      expect(versionOf(azureEntry(keyId, version, Buffer.alloc(256)), keyIdBytes)).toBeUndefined();
    }
  });

  it('tells its algorithm by its length, and knows no other length', () => {
    const known = Array.from({ length: 1_024 }, (_, length) => [length, algorithmOf(Buffer.alloc(length))] as const);
    expect(known.filter(([, algorithm]) => algorithm !== undefined)).toEqual([
      ...[24, 32, 40, 72].map((length) => [length, 'A256KW']),
      ...[256, 384, 512].map((length) => [length, 'RSA-OAEP-256']),
    ]);
  });
});
