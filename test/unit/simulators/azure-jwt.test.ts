/** The tokens that the simulator signs and reads, with whatever anybody may put in their place. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeSigningKey, parseJwt, signJwt } from '../../simulators/azure/jwt.ts';

describe('a token', () => {
  it('comes back as it was signed, and as signed by that key alone', async () => {
    const [key, other] = [await makeSigningKey(), await makeSigningKey()];
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => {
        const plain: unknown = JSON.parse(JSON.stringify(claims));
        const parsed = parseJwt(signJwt(claims, key));
        expect(parsed?.claims).toEqual(plain);
        expect([parsed?.isSignedBy(key.publicKey), parsed?.isSignedBy(other.publicKey)]).toEqual([true, false]);
      }),
      { numRuns: 30 },
    );
  });

  it('with one character changed is not signed any more, or no token at all', async () => {
    const key = await makeSigningKey();
    const token = signJwt({ aud: 'https://vault.azure.net', exp: 1_893_456_000 }, key);
    // The last character of base64url may hold bits that mean nothing, so it is left out.
    fc.assert(
      fc.property(fc.nat(token.length - 2), fc.constantFrom(...'abcXYZ019-_.'), (at, character) => {
        fc.pre(token[at] !== character);
        const parsed = parseJwt(token.slice(0, at) + character + token.slice(at + 1));
        expect(parsed?.isSignedBy(key.publicKey) ?? false).toBe(false);
      }),
    );
  });

  it('is no token for any other text, and never an exception', () => {
    const parts = fc.array(fc.oneof(fc.base64String(), fc.string(), fc.json()), { maxLength: 4 });
    fc.assert(
      fc.property(parts, (some) => {
        const parsed = parseJwt(some.join('.'));
        expect(parsed === undefined || typeof parsed.claims === 'object').toBe(true);
      }),
    );
  });
});
