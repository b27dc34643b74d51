import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMasked } from '../../../src/kms/masked-json.ts';

const names = new Set(['plaintext', 'client_token']);

/** A value with base64 under the secret names, at any depth and among fields of any name and content. */
const base64 = fc.base64String({ minLength: 4, maxLength: 60 }).filter((text) => text !== '');
const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('plaintext'));
const name = fc.oneof(fc.string(), fc.constantFrom('data', 'error', 'plaintexts', '"plaintext"', 'request_id'));
const { document } = fc.letrec<{ document: unknown; object: unknown }>((tie) => ({
  object: fc
    .tuple(fc.dictionary(name, tie('document'), { maxKeys: 3 }), fc.option(base64), fc.option(base64))
    .map(([others, plaintext, token]) => ({
      ...(plaintext !== null && { plaintext }),
      ...others,
      ...(token !== null && { client_token: token }),
    })),
  document: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    leaf,
    tie('object'),
    fc.array(tie('document'), { maxLength: 3 }),
  ),
}));

/** The document with its secrets put back where the numbers stand. */
function restored(value: unknown, secrets: readonly Buffer[], key = ''): unknown {
  if (typeof value === 'string')
    return names.has(key) && value !== '' ? secrets[Number.parseInt(value, 10)]?.toString() : value;
  if (Array.isArray(value)) return value.map((item) => restored(item, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, restored(item, secrets, name)]));
}

/** Under a secret name only base64 or nothing stands: any other string there is no answer of Vault's. */
function hasOddSecret(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasOddSecret);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, item]) =>
      (names.has(name) && typeof item === 'string' && !/^[A-Za-z0-9+/=]{4,}$|^$/.test(item)) || hasOddSecret(item),
  );
}

const sane = document.filter((value) => !hasOddSecret(value));

describe('JSON with secrets', () => {
  it('comes apart into a value without them, and them, and fits together again', () => {
    fc.assert(
      fc.property(sane, fc.constantFrom(0, 1, 2), (value, indent) => {
        const masked = parseMasked(Buffer.from(JSON.stringify(value, null, indent)), names);
        expect(masked).toBeDefined();
        expect(restored(masked?.value, masked?.secrets ?? [])).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('is written to between the quotes of a secret, and nowhere else', () => {
    fc.assert(
      fc.property(sane, (value) => {
        const before = Buffer.from(JSON.stringify(value));
        const after = Buffer.from(before);
        const { secrets = [] } = parseMasked(after, names) ?? {};
        const changed = [...before.keys()].filter((at) => before[at] !== after[at]);
        const room = secrets.reduce((sum, secret) => sum + secret.length, 0);
        expect(changed.length).toBeLessThanOrEqual(room);
        expect(after.length).toBe(before.length);
        for (const secret of secrets) if (secret.length > 8) expect(after.includes(`"${secret}"`)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('holds several items in their order, and an empty secret beside an error as none', () => {
    const body = Buffer.from(
      '{"data":{"batch_results":[{"plaintext":"QUFBQQ==","reference":""},{"plaintext":"","error":"no"},{"plaintext":"QkJCQg=="}]}}',
    );
    const masked = parseMasked(body, names);
    expect(masked?.secrets.map(String)).toEqual(['QUFBQQ==', 'QkJCQg==']);
    const results = [{ plaintext: /^0 *$/ }, { plaintext: /^$/ }, { plaintext: /^1 *$/ }];
    expect(masked?.value).toMatchObject({
      data: { batch_results: results.map(({ plaintext }) => ({ plaintext: expect.stringMatching(plaintext) })) },
    });
  });

  it('undoes escapes in a secret, and knows a name that is spelled with them', () => {
    const body = Buffer.from('{"pl\\u0061intext" : "A\\u002bB\\/C\\u003d=AAA" , "x":"\\"plaintext\\":\\"AAAA\\""}');
    const masked = parseMasked(body, names);
    expect(masked?.secrets.map(String)).toEqual(['A+B/C==AAA']);
    expect(masked?.value).toMatchObject({ x: '"plaintext":"AAAA"' });
  });

  it('leaves a value of a secret name that is no string alone', () => {
    expect(parseMasked(Buffer.from('{"plaintext":17,"client_token":null}'), names)).toEqual({
      value: { plaintext: 17, client_token: null },
      secrets: [],
    });
  });

  it.each([
    '',
    '<html>',
    '{"plaintext":"QUFBQQ==',
    '{"plaintext":"QUFBQQ=="',
    '{"plaintext":"QUFB\\q"}',
    '{"plaintext":"QUFB\\u00e9"}',
    '{"plaintext":"QUFB\\u00"}',
    '{"a":"\\',
  ])('that is none is refused: %s', (text) => {
    expect(parseMasked(Buffer.from(text), names)).toBeUndefined();
  });
});
