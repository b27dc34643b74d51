/** A SPIFFE ID has one spelling, and what is no SPIFFE ID is none, judged by a second reading of the rules. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts';

const lower = 'abcdefghijklmnopqrstuvwxyz0123456789._-';
const letters = `${lower}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;

/** Pieces of which names are made, good ones and such as break a rule. */
const piece = fc.constantFrom(
  ...['a', 'web', 'Web', 'ns', '.', '..', '...', '_', '-', '/', '//', ':', '@', '?', '#', '%61', '%2e%2e', '%2F'],
  ...['\\', ' ', '\0', '\n', '\t', 'é', '[::1]', '443', '*', '+', '~', "'", 'SPIFFE', 'spiffe://', '10.0.0.1'],
);
const rest = fc.oneof(
  { weight: 6, arbitrary: fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')) },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(2100).map((length) => `e/${'a'.repeat(length)}`) },
  { weight: 1, arbitrary: fc.nat(300).map((length) => `${'a'.repeat(length)}/b`) },
);
const scheme = fc.oneof(
  { weight: 9, arbitrary: fc.constant('spiffe://') },
  { weight: 1, arbitrary: fc.constantFrom('', 'spiffe:', 'spiffe:/', 'SPIFFE://', 'https://', 'spiffe:///') },
);
const segment = fc
  .string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 12 })
  .filter((text) => text !== '.' && text !== '..');
const trustDomain = fc.string({ unit: fc.constantFrom(...lower), minLength: 1, maxLength: 30 });

/** The rules once more, character by character and without a pattern. */
function isValid(text: string): boolean {
  if (!text.startsWith('spiffe://') || text.length > 2048) return false;
  const [domain = '', ...segments] = text.slice('spiffe://'.length).split('/');
  if (domain === '' || domain.length > 255 || ![...domain].every((one) => lower.includes(one))) return false;
  return segments.every(
    (one) => one !== '' && one !== '.' && one !== '..' && [...one].every((character) => letters.includes(character)),
  );
}

test('whatever the text, it is read exactly where the rules allow it', () => {
  const seen = { valid: 0 };
  fc.assert(
    fc.property(scheme, rest, (first, second) => {
      const text = first + second;
      const id = parseSpiffeId(text);
      expect(id !== undefined).toBe(isValid(text));
      if (id === undefined) return;
      seen.valid += 1;
      expect(`spiffe://${id.trustDomain}${id.path}`).toBe(text);
      // A reader of URLs finds the same parts, and nothing to normalise.
      const url = new URL(text);
      expect([url.host, url.pathname, url.href]).toEqual([id.trustDomain, id.path, text]);
    }),
    { numRuns: 20_000 },
  );
  expect(seen.valid).toBeGreaterThan(500);
});

test('every name that is made by the rules is read', () => {
  fc.assert(
    fc.property(trustDomain, fc.array(segment, { maxLength: 6 }), (domain, segments) => {
      const path = segments.map((one) => `/${one}`).join('');
      expect(parseSpiffeId(`spiffe://${domain}${path}`)).toEqual({ trustDomain: domain, path });
    }),
    { numRuns: 2000 },
  );
});
