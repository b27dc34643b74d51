/**
 * Tokens made of good ones by every trick that is known: none is taken, none ends with anything but a failure of
 * keyproxy's own, and none makes keyproxy ask anybody but the issuer.
 */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { makeIssuerKey, signToken, type TokenAlgorithm, tokenPart } from '../../support/token-issuer.ts';
import { outcomeOf, tokenWorld } from '../../support/token-world.ts';

const stranger = { ES256: makeIssuerKey('ES256'), RS256: makeIssuerKey('RS256') };

/** A good token in its parts. */
interface Good {
  readonly token: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The public key in the forms that have been taken for a shared secret. */
  readonly secrets: readonly (string | Buffer)[];
}

/** Makes another token of a good one. */
type Trick = (good: Good) => string;

const algorithmName = fc.oneof(
  fc.constantFrom('none', 'None', 'NONE', '', 'HS256', 'HS384', 'HS512', 'RS256', 'ES256', 'PS256', 'EdDSA', 'Ed25519'),
  fc.constantFrom('ES384', 'RS512', 'ES256K', 'RSA-OAEP', 'dir', 'A256GCMKW', '__proto__', 'constructor', 'toString'),
  fc.string({ maxLength: 12 }),
);
const json = fc.jsonValue({ maxDepth: 2 });
const base64url = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
const partNumber = fc.nat({ max: 2 });

function parts(token: string): [string, string, string] {
  const [head = '', body = '', signature = ''] = token.split('.');
  return [head, body, signature];
}

function withPart(token: string, index: number, part: string): string {
  return parts(token).with(index, part).join('.');
}

/** One letter of a part is another. */
const letter: fc.Arbitrary<Trick> = fc
  .record({ index: partNumber, at: fc.nat(), by: fc.constantFrom(...'AZaz09-_.=+/ \n\0é') })
  .map(({ index, at, by }) => ({ token }) => {
    const part = parts(token)[index] ?? '';
    const place = at % part.length;
    return withPart(token, index, part.slice(0, place) + by + part.slice(place + 1));
  });

/** The last letter of a part is another: some of its bits stand for nothing. */
const lastLetter: fc.Arbitrary<Trick> = fc
  .record({
    index: partNumber,
    by: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'),
  })
  .map(
    ({ index, by }) =>
      ({ token }) =>
        withPart(token, index, (parts(token)[index] ?? '').slice(0, -1) + by),
  );

/** One bit of what a part stands for is another. */
const bit: fc.Arbitrary<Trick> = fc.record({ index: partNumber, at: fc.nat() }).map(({ index, at }) => ({ token }) => {
  const bytes = Buffer.from(parts(token)[index] ?? '', 'base64url');
  const place = at % (bytes.length * 8);
  bytes[place >> 3] = (bytes[place >> 3] ?? 0) ^ (1 << (place & 7));
  return withPart(token, index, bytes.toString('base64url'));
});

/** A part is cut, lengthened, left out, doubled, taken from elsewhere. */
const segment: fc.Arbitrary<Trick> = fc.oneof(
  fc.record({ index: partNumber, length: fc.nat() }).map(
    ({ index, length }): Trick =>
      ({ token }) => {
        const part = parts(token)[index] ?? '';
        return withPart(token, index, part.slice(0, length % part.length));
      },
  ),
  fc.record({ index: partNumber, more: base64url.filter((text) => text !== '') }).map(
    ({ index, more }): Trick =>
      ({ token }) =>
        withPart(token, index, (parts(token)[index] ?? '') + more),
  ),
  fc.record({ index: partNumber, other: base64url }).map(
    ({ index, other }): Trick =>
      ({ token }) =>
        withPart(token, index, other),
  ),
  fc.constantFrom<Trick>(
    ({ token }) => `${token}.`,
    ({ token }) => `.${token}`,
    ({ token }) => `${token}.${token}`,
    ({ token }) => `Bearer ${token}`,
    ({ token }) => parts(token).toReversed().join('.'),
    ({ token }) => parts(token).slice(0, 2).join('.'),
    ({ token }) => token.toLowerCase(),
    ({ token }) => JSON.stringify({ protected: parts(token)[0], payload: parts(token)[1], signature: parts(token)[2] }),
  ),
);

/** Headers and claims that are not those which were signed. */
const forged: fc.Arbitrary<Trick> = fc.oneof(
  algorithmName.map(
    (alg): Trick =>
      ({ token, header }) =>
        withPart(token, 0, tokenPart({ ...header, alg })),
  ),
  algorithmName.map(
    (alg): Trick =>
      ({ token, header }) =>
        withPart(withPart(token, 0, tokenPart({ ...header, alg })), 2, ''),
  ),
  fc
    .record({ name: fc.constantFrom('jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'typ', 'zip', 'kid', 'x'), value: json })
    .map(
      ({ name, value }): Trick =>
        ({ token, header }) =>
          withPart(token, 0, tokenPart({ ...header, [name]: value })),
    ),
  fc.record({ name: fc.constantFrom('iss', 'aud', 'exp', 'nbf', 'sub', 'kubernetes.io', 'admin'), value: json }).map(
    ({ name, value }): Trick =>
      ({ token, claims }) => {
        const changed = tokenPart({ ...claims, [name]: value });
        return withPart(token, 1, changed === parts(token)[1] ? tokenPart({ ...claims, forged: true }) : changed);
      },
  ),
  json.map(
    (value): Trick =>
      ({ token }) =>
        withPart(token, 0, tokenPart(JSON.stringify(value))),
  ),
  // A name twice, the last one as it was: whoever reads the first one sees another token.
  fc.constantFrom('sub', 'exp', 'iss', 'aud').map(
    (name): Trick =>
      ({ token, claims }) => {
        const twice = `{${JSON.stringify(name)}:"system:serviceaccount:bank:admin",${JSON.stringify(claims).slice(1)}`;
        return withPart(token, 1, tokenPart(twice));
      },
  ),
  fc.constantFrom('alg', 'kid').map(
    (name): Trick =>
      ({ token, header }) => {
        const twice = `{${JSON.stringify(name)}:"none",${JSON.stringify(header).slice(1)}`;
        return withPart(token, 0, tokenPart(twice));
      },
  ),
);

/** Signed anew, by somebody who is not the issuer. */
const resigned: fc.Arbitrary<Trick> = fc.oneof(
  fc.record({ which: fc.constantFrom<'ES256' | 'RS256'>('ES256', 'RS256'), trick: fc.nat({ max: 4 }) }).map(
    ({ which, trick }): Trick =>
      ({ header, claims }) => {
        const key = stranger[which];
        const brought = [{}, { jwk: key.jwk }, { jku: 'http://127.0.0.1:9/' }, { x5u: 'http://127.0.0.1:9/' }][trick];
        const x5c = [key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')];
        return signToken(key, { ...header, alg: key.algorithm, ...(brought ?? { x5c }) }, claims);
      },
  ),
  fc.record({ secret: fc.nat(), alg: fc.constantFrom('HS256', 'RS256', 'ES256') }).map(
    ({ secret, alg }): Trick =>
      ({ header, claims, secrets }) => {
        const input = `${tokenPart({ ...header, alg })}.${tokenPart(claims)}`;
        const mac = createHmac('sha256', secrets[secret % secrets.length] ?? '').update(input);
        return `${input}.${mac.digest('base64url')}`;
      },
  ),
  fc.constantFrom(0, 1, 255).map(
    (byte): Trick =>
      ({ token }) =>
        // For ES256 a signature of zeros was good in some libraries (CVE-2022-21449).
        withPart(token, 2, Buffer.from(parts(token)[2], 'base64url').fill(byte).toString('base64url')),
  ),
);

const anything: fc.Arbitrary<Trick> = fc
  .oneof(
    fc.string({ maxLength: 200, unit: 'binary' }),
    fc.tuple(base64url, base64url, base64url).map((all) => all.join('.')),
    fc
      .tuple(json, json, base64url)
      .map(([head, body, mac]) => `${tokenPart(JSON.stringify(head))}.${tokenPart(JSON.stringify(body))}.${mac}`),
  )
  .map((text) => () => text);

const trick = fc.oneof(letter, lastLetter, bit, segment, forged, resigned, anything);

it.each(['ES256', 'RS256', 'EdDSA'] as const satisfies TokenAlgorithm[])(
  'no token that is made of a good one (%s) is taken',
  async (algorithm) => {
    await using world = await tokenWorld({ algorithm });
    const { callers, issuer } = world;
    const { key } = issuer;
    const pem = key.publicKey.export({ type: 'spki', format: 'pem' });
    const der = key.publicKey.export({ type: 'spki', format: 'der' });
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(trick, fc.nat(), async (make, number) => {
        const header = { alg: key.algorithm, kid: key.kid };
        const claims = { ...issuer.claims(), jti: `${number}` };
        const token = signToken(key, header, claims);
        const other = make({
          token,
          header,
          claims,
          secrets: [pem, pem.toString().trim(), der, JSON.stringify(key.jwk), ''],
        });
        fc.pre(other !== token);
        expect(await outcomeOf(callers, other)).toMatchObject({ reason: 'CALLER_UNAUTHENTICATED' });
        expect(await callers.callerOf(token)).toEqual({ kind: 'service_account', namespace: 'shop', name: 'orders' });
        tried++;
      }),
      { numRuns: 2_000 },
    );
    expect(tried).toBeGreaterThan(1_900);
    // One fetch at the start, and one for all unknown keys: the clock stands still.
    expect(issuer.requests.length).toBeLessThanOrEqual(2);
  },
);

const namespace = fc.constantFrom('shop', 'bank');
const account = fc.constantFrom('orders', 'admin');
const claim = fc.oneof(
  fc.tuple(fc.constantFrom('iss', 'aud', 'exp', 'nbf', 'iat', 'sub', 'kubernetes.io', '__proto__'), json),
  fc.tuple(namespace, account).map(([space, name]) => ['sub', `system:serviceaccount:${space}:${name}`] as const),
  fc
    .tuple(namespace, account)
    .map(([space, name]) => ['kubernetes.io', { namespace: space, serviceaccount: { name } }] as const),
);

it('whatever an issuer signs is a failure, or the account that all its claims name', async () => {
  await using world = await tokenWorld({ algorithm: 'EdDSA' });
  const { callers, issuer } = world;
  const { key } = issuer;
  const seen = { good: 0, bad: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(claim, { maxLength: 3 }), async (changes) => {
      const all = [...Object.entries(issuer.claims()), ['jti', `${seen.good + seen.bad}`] as const, ...changes];
      // As text, so that a name may come twice: the last one counts.
      const text = all.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join();
      const outcome = await outcomeOf(callers, signToken(key, { alg: 'EdDSA', kid: key.kid }, `{${text}}`));
      const last = (name: string) => all.findLast(([other]) => other === name)?.[1];
      if (outcome instanceof KeyproxyError) {
        expect(outcome.reason).toBe('CALLER_UNAUTHENTICATED');
        seen.bad++;
        return;
      }
      if (outcome.kind !== 'service_account') throw new Error('a token is of a service account');
      expect(last('sub')).toBe(`system:serviceaccount:${outcome.namespace}:${outcome.name}`);
      expect(last('kubernetes.io')).toMatchObject({
        namespace: outcome.namespace,
        serviceaccount: { name: outcome.name },
      });
      seen.good++;
    }),
    { numRuns: 2_000 },
  );
  expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(300);
});
