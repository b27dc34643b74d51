/** Length prefixes, comparison, and encrypted data keys: what parses encodes back unchanged. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalInConstantTime, lengthPrefixed } from '../../../src/base/bytes.ts';
import { parseEntries, serializeEntries } from '../../../src/base/encrypted-data-key.ts';

describe('lengthPrefixed', () => {
  it.each<[string | Uint8Array, string]>([
    ['', '0000'],
    ['ab', '00026162'],
    ['ü', '0002c3bc'],
    [new Uint8Array(256), `0100${'00'.repeat(256)}`],
  ])('puts the length of %j in bytes in front', (value, expected) => {
    expect(lengthPrefixed(value).toString('hex')).toBe(expected);
  });

  it('holds 65,535 bytes and not one more', () => {
    expect(lengthPrefixed(new Uint8Array(65_535))).toHaveLength(65_537);
    expect(() => lengthPrefixed(new Uint8Array(65_536))).toThrow(RangeError);
  });
});

describe('equalInConstantTime', () => {
  it.each<[number[], number[], boolean]>([
    [[], [], true],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1, 2], [1, 2, 3], false],
  ])('compares %j with %j', (a, b, equal) => {
    expect(equalInConstantTime(Uint8Array.from(a), Uint8Array.from(b))).toBe(equal);
  });
});

const field = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const entries = fc.array(fc.record({ providerId: field, providerInfo: field, ciphertext: field }), { maxLength: 6 });

describe('encrypted data keys', () => {
  it('read back as they were written, from any offset, up to their own end', () => {
    fc.assert(
      fc.property(entries, field, field, (written, before, behind) => {
        const serialized = serializeEntries(written);
        const bytes = Buffer.concat([before, serialized, behind]);
        const read = parseEntries(bytes, before.length, written.length);
        expect(read).toEqual({ entries: written, end: before.length + serialized.length });
      }),
    );
  });

  it('are refused at every cut', () => {
    const entry = { providerId: Buffer.from('aws-kms'), providerInfo: Buffer.from('arn'), ciphertext: Buffer.alloc(9) };
    const whole = serializeEntries([entry, entry]);
    for (let length = 0; length < whole.length; length++) {
      expect(parseEntries(whole.subarray(0, length), 0, 2)).toBeUndefined();
    }
  });

  it('allocate nothing for a count that the bytes do not back', () => {
    expect(parseEntries(Buffer.alloc(12), 0, 65_535)).toBeUndefined();
    expect(parseEntries(Buffer.from('ffff', 'hex'), 0, 1)).toBeUndefined();
  });

  it('are not written with a field over 65,535 bytes', () => {
    const none = Buffer.alloc(0);
    const long = Buffer.alloc(65_536);
    for (const name of ['providerId', 'providerInfo', 'ciphertext']) {
      const entry = { providerId: none, providerInfo: none, ciphertext: none, [name]: long };
      expect(() => serializeEntries([entry])).toThrow(RangeError);
    }
  });
});
