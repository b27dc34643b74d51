import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../src/kms/gcp/crc32c.ts';

/** The definition, bit by bit, with the polynomial as RFC 3720 writes it: not reversed. */
function bitwise(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (register >>> 31) ^ ((byte >>> bit) & 1);
      register = ((register << 1) ^ (feedback === 1 ? 0x1edc6f41 : 0)) >>> 0;
    }
  }
  let reversed = 0;
  for (let bit = 0; bit < 32; bit++) reversed = ((reversed << 1) | ((~register >>> bit) & 1)) >>> 0;
  return reversed;
}

describe('CRC32C', () => {
  it.each([
    ['', 0],
    ['31 32 33 34 35 36 37 38 39', 0xe3069283],
    // RFC 3720, appendix B.4.
    ['00'.repeat(32), 0x8a9136aa],
    ['ff'.repeat(32), 0x62a8ab43],
    [Buffer.from([...Array(32).keys()]).toString('hex'), 0x46dd794e],
    [Buffer.from([...Array(32).keys()].reverse()).toString('hex'), 0x113fdb5c],
  ])('of %s is that of the references', (hex, expected) => {
    expect(crc32c(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toBe(expected);
  });

  it('is what its definition says, of any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => crc32c(bytes) === bitwise(bytes)));
  });

  it('changes with every bit', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(bytes, fc.nat(), (original, at) => {
        const changed = Uint8Array.from(original);
        const place = at % (original.length * 8);
        changed[place >> 3] = (changed[place >> 3] ?? 0) ^ (1 << (place & 7));
        return crc32c(changed) !== crc32c(original);
      }),
    );
  });
});
