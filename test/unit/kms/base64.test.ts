import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64Length, decodeBase64, writeBase64 } from '../../../src/kms/base64.ts';

function encoded(bytes: Uint8Array): string {
  const target = Buffer.alloc(base64Length(bytes.length) + 4, 0x21);
  expect(writeBase64(bytes, target, 2)).toBe(target.length - 2);
  expect(target.toString('latin1', 0, 2) + target.toString('latin1', target.length - 2)).toBe('!!!!');
  return target.toString('latin1', 2, target.length - 2);
}

describe('base64 from bytes to bytes', () => {
  it('writes what Node writes, and nothing beside it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(encoded(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      }),
    );
  });

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeBase64(Buffer.from(encoded(bytes)))?.equals(bytes)).toBe(true);
      }),
    );
  });

  it('reads one spelling of some bytes, and no other', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABCDwxyz01+/=-_ \n'), maxLength: 12 }), (text) => {
        const bytes = Buffer.from(text, 'base64');
        const isCanonical = bytes.toString('base64') === text;
        expect(decodeBase64(Buffer.from(text))?.toString('hex')).toBe(isCanonical ? bytes.toString('hex') : undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['A', 'AA', 'AAA', 'AA=A', '====', 'A===', 'AAAA====', 'AB==', 'AAB=', 'AA-_', 'AAAA\n'])(
    'refuses %j',
    (text) => {
      expect(decodeBase64(Buffer.from(text))).toBeUndefined();
    },
  );
});
