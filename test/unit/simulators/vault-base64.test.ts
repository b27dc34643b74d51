/** The simulator's base64: what Go's standard decoder takes, and the byte at which it stops. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../simulators/vault/base64.ts';

describe('base64', () => {
  it('gives back any bytes, with line breaks anywhere in between', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(90), { maxLength: 4 }), (bytes, breaks) => {
        const text = Buffer.from(bytes).toString('base64');
        const broken = breaks.reduce((broken, at) => `${broken.slice(0, at)}\r\n${broken.slice(at)}`, text);
        expect(decodeBase64(broken)).toEqual({ bytes: Buffer.from(bytes) });
      }),
    );
  });

  it('takes nothing that lacks its padding, and names a byte of the text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        fc.pre(text.endsWith('='));
        const decoded = decodeBase64(text.slice(0, -1));
        const at = 'error' in decoded ? Number(/input byte (\d+)$/.exec(decoded.error)?.[1]) : -1;
        expect(at).toBeGreaterThanOrEqual(0);
        expect(at).toBeLessThan(text.length);
      }),
    );
  });

  // Each of these was asked of the real server.
  it.each([
    ['a', 0],
    ['ab', 0],
    ['abc', 0],
    ['ab=', 3],
    ['ab==x', 4],
    ['=', 0],
    ['ab=c', 2],
    ['abc=d', 4],
    ['äöü', 0],
    ['QUJD!', 4],
  ])('stops in %j at byte %i', (text, at) => {
    expect(decodeBase64(text)).toEqual({ error: `illegal base64 data at input byte ${at}` });
  });
});
