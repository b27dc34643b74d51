import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { versionName, versionOf } from '../../../../src/kms/gcp/names.ts';

const key = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';

describe('the name of a key version', () => {
  it('is read back to the version, of any key', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 9_999_999_999 }), (keyName, version) => {
        expect(versionOf(keyName, versionName(keyName, String(version)))).toBe(String(version));
      }),
    );
  });

  it('that is read is the one name of its version: nothing else leads to it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => versionName(key, tail)),
        ),
        (name) => {
          const version = versionOf(key, name);
          expect(version === undefined || versionName(key, version) === name).toBe(true);
        },
      ),
    );
  });

  it.each([undefined, null, 1, {}, key, `${key}2/cryptoKeyVersions/1`, `${key}/cryptoKeyVersions/1/x`])(
    'is none where it is %j',
    (name) => expect(versionOf(key, name)).toBeUndefined(),
  );
});
