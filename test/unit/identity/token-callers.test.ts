/** Whose tokens are good, what is remembered about them, and for how long. */
import { describe, expect, test } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { failureOf } from '../../support/failure-of.ts';
import { type Minting, makeIssuerKey, signToken } from '../../support/token-issuer.ts';
import { outcomeOf, tokenWorld, wordOf } from '../../support/token-world.ts';

const orders = { kind: 'service_account', namespace: 'shop', name: 'orders' };

describe('a good token', () => {
  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)(
    'signed with %s tells its service account',
    async (algorithm) => {
      await using world = await tokenWorld({ algorithm });
      expect(await world.callers.callerOf(world.issuer.mint())).toEqual(orders);
    },
  );

  test.each<[string, Minting]>([
    ['with other audiences beside ours', { claims: { aud: ['vault', 'keyproxy'] } }],
    ['with the audience as text', { claims: { aud: 'keyproxy' } }],
    ['without the claim of Kubernetes', { claims: { 'kubernetes.io': undefined } }],
    ['without a time of issue', { claims: { iat: undefined, nbf: undefined } }],
    ['that is over since 29 s', { lifeSeconds: -29 }],
    ['with keys of its own in its header', { header: { jwk: makeIssuerKey('ES256').jwk, jku: 'http://127.0.0.1:1/' } }],
  ])('%s is good', async (_title, minting) => {
    await using world = await tokenWorld();
    expect(await world.callers.callerOf(world.issuer.mint(minting))).toEqual(orders);
    expect(world.issuer.requests.length).toBe(1);
  });

  test('is good from half a minute before its time', async () => {
    await using world = await tokenWorld();
    const now = world.clock.now() / 1000;
    expect(await wordOf(world.callers, world.issuer.mint({ claims: { nbf: now + 30 } }))).toBe('shop/orders');
    expect(await wordOf(world.callers, world.issuer.mint({ claims: { nbf: now + 31 } }))).toBe(
      'CALLER_UNAUTHENTICATED',
    );
  });
});

const stranger = makeIssuerKey('ES256');

/** What is wrong → the token, and what its bearer is told. */
const badTokens: readonly [string, Minting, RegExp][] = [
  [
    'of another issuer',
    { claims: { iss: 'https://other.example.com' } },
    /of another issuer; here it must be of https:\/\/kub/,
  ],
  ['without an issuer', { claims: { iss: undefined } }, /of another issuer/],
  ['for another audience', { claims: { aud: ['vault'] } }, /another audience; project one with the audience keyproxy$/],
  ['without an audience', { claims: { aud: undefined } }, /another audience/],
  ['for an audience that begins like ours', { claims: { aud: 'keyproxy2' } }, /another audience/],
  ['that is over since 30 s', { lifeSeconds: -30 }, /is over; read the file of the projected token anew/],
  ['without an end', { claims: { exp: undefined } }, /has no end/],
  ['with an end that is no time', { claims: { exp: 'never' } }, /has no end/],
  ['that begins in a minute', { claims: { nbf: Date.UTC(2026, 0, 1) / 1000 + 60 } }, /not valid yet/],
  ['with a beginning that is no time', { claims: { nbf: 'now' } }, /a time \(iat, nbf\) that is none/],
  ['with an issue time that is none', { claims: { iat: [] } }, /a time \(iat, nbf\) that is none/],
  ['of a person', { claims: { sub: 'alice' } }, /not of a Kubernetes service account/],
  ['of nobody', { claims: { sub: undefined } }, /not of a Kubernetes service account/],
  ['of a node', { claims: { sub: 'system:node:node-1' } }, /not of a Kubernetes service account/],
  ['with a colon in its name', { account: 'orders:admin' }, /not of a Kubernetes service account/],
  ['with capitals in its namespace', { namespace: 'Shop' }, /not of a Kubernetes service account/],
  ['with a line end after its name', { account: 'orders\n' }, /not of a Kubernetes service account/],
  [
    'with another namespace in the other claim',
    { claims: { sub: 'system:serviceaccount:bank:orders' } },
    /two different/,
  ],
  ['with another name in the other claim', { claims: { sub: 'system:serviceaccount:shop:admin' } }, /two different/],
  ['with an other claim that says nothing', { claims: { 'kubernetes.io': {} } }, /two different/],
  ['with an other claim that is none', { claims: { 'kubernetes.io': null } }, /two different/],
  ['without the name of its key', { header: { kid: undefined } }, /does not say which key signed it/],
  ['with an endless name of its key', { header: { kid: 'k'.repeat(257) } }, /does not say which key signed it/],
  ['signed by a stranger', { key: stranger }, /a key that the issuer does not list/],
  ['without signature by its own word', { header: { alg: 'none' } }, /signed in a way that is not accepted here/],
  [
    'with HMAC',
    { header: { alg: 'HS256' } },
    /signed in a way that is not accepted here; RS256, ES256, PS256, EdDSA are$/,
  ],
  ['with an algorithm of another kind of key', { header: { alg: 'RS256' } }, /is not its issuer's/],
  ['with an extension that must be understood', { header: { crit: ['x'], x: 1 } }, /no signed token/],
  ['with its payload as it is', { header: { crit: ['b64'], b64: false } }, /no signed token|not its issuer's/],
];

describe('refused as unauthenticated, with a sentence that helps, is a token', () => {
  test.each(badTokens)('%s', async (_title, minting, sentence) => {
    await using world = await tokenWorld();
    const failure = await outcomeOf(world.callers, world.issuer.mint(minting));
    expect(failure).toBeInstanceOf(KeyproxyError);
    expect(failure).toMatchObject({ reason: 'CALLER_UNAUTHENTICATED', message: expect.stringMatching(sentence) });
  });

  test('that a stranger signed in the name of a key that is listed', async () => {
    await using world = await tokenWorld();
    const { kid } = world.issuer.key;
    const failure = await outcomeOf(world.callers, world.issuer.mint({ key: stranger, header: { kid } }));
    expect(failure).toMatchObject({ message: expect.stringMatching(/is not its issuer's/) });
  });

  test('that a stranger signed who brings the key along', async () => {
    await using world = await tokenWorld();
    const header = { kid: world.issuer.key.kid, jwk: stranger.jwk, x5c: ['MAo='], jku: `${world.issuer.jwksUri}` };
    expect(await wordOf(world.callers, world.issuer.mint({ key: stranger, header }))).toBe('CALLER_UNAUTHENTICATED');
    expect(world.issuer.requests.length).toBe(1);
  });

  test('with HMAC under the public key', async () => {
    await using world = await tokenWorld({
      before: (issuer) => {
        const secret = { kty: 'oct', kid: 'shared', k: 'c2VjcmV0', alg: 'HS256' };
        issuer.mood = { kind: 'body', body: JSON.stringify({ keys: [issuer.key.jwk, secret] }) };
      },
    });
    for (const kid of ['shared', world.issuer.key.kid]) {
      const token = world.issuer.mint({ header: { alg: 'HS256', kid } });
      expect(await wordOf(world.callers, token)).toBe('CALLER_UNAUTHENTICATED');
    }
  });

  test('with an algorithm that is not accepted makes nobody ask for its key', async () => {
    await using world = await tokenWorld();
    for (const alg of ['none', 'HS256', 'ES384', '', 1, null]) {
      expect(await wordOf(world.callers, world.issuer.mint({ header: { alg, kid: 'new' } }))).toBe(
        'CALLER_UNAUTHENTICATED',
      );
    }
    expect(world.issuer.requests.length).toBe(1);
  });

  test.each(['', '.', '..', '...', 'a.b', 'a.b.c', 'a.b.c.d', 'e30.e30.e30', 'é.é.é', 'null', '\0', 'bnVsbA.e30.AA'])(
    'that is none: %j',
    async (token) => {
      await using world = await tokenWorld();
      const failure = await outcomeOf(world.callers, token);
      expect(failure).toMatchObject({ reason: 'CALLER_UNAUTHENTICATED', message: expect.not.stringContaining('e30') });
    },
  );

  test('with claims that are no object', async () => {
    await using world = await tokenWorld();
    const { key } = world.issuer;
    for (const claims of ['[]', '"sub"', 'null', '{', '']) {
      const token = signToken(key, { alg: key.algorithm, kid: key.kid }, claims);
      expect(await wordOf(world.callers, token)).toBe('CALLER_UNAUTHENTICATED');
    }
  });

  test('in another spelling of the same bytes', async () => {
    await using world = await tokenWorld();
    const token = world.issuer.mint();
    for (const other of [`${token}=`, `${token}\n`, token.replace('.', '=.'), ` ${token}`]) {
      expect(await wordOf(world.callers, other)).toBe('CALLER_UNAUTHENTICATED');
    }
    const [last = ''] = token.slice(-1);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const loose = token.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    expect(Buffer.from(loose.split('.')[2] ?? '', 'base64url')).toEqual(
      Buffer.from(token.split('.')[2] ?? '', 'base64url'),
    );
    expect(await wordOf(world.callers, loose)).toBe('CALLER_UNAUTHENTICATED');
  });

  test('that is longer than 16 KiB, before anything of it is read', async () => {
    await using world = await tokenWorld();
    const token = world.issuer.mint({ claims: { padding: 'x'.repeat(12 * 1024) } });
    expect(token.length).toBeGreaterThan(16 * 1024);
    expect(failureOf(() => world.callers.callerOf(token)).message).toMatch(/longer than 16 KiB/);
    const shorter = world.issuer.mint({ claims: { padding: 'x'.repeat(10 * 1024) } });
    expect(await wordOf(world.callers, shorter)).toBe('shop/orders');
  });
});

test('no failure repeats what the token says, and none has a cause that could', async () => {
  await using world = await tokenWorld();
  const marker = 'marker-9d1f';
  const claims = { marker, sub: marker, iss: marker, aud: marker, exp: marker, nbf: marker };
  for (const [name, value] of Object.entries(claims)) {
    const failure = await outcomeOf(world.callers, world.issuer.mint({ claims: { marker, [name]: value } }));
    if (name === 'marker') continue;
    expect(failure).toBeInstanceOf(KeyproxyError);
    if (!(failure instanceof KeyproxyError)) continue;
    expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)}`).not.toContain(marker);
    expect(failure.cause).toBeUndefined();
  }
});

describe('a token that was checked', () => {
  test('is known at once, until it is over', async () => {
    await using world = await tokenWorld();
    const token = world.issuer.mint({ lifeSeconds: 600 });
    const checked = world.callers.callerOf(token);
    expect(checked).toBeInstanceOf(Promise);
    expect(world.callers.callerOf(token)).toBe(checked);
    expect(await checked).toEqual(orders);
    expect(world.callers.callerOf(token)).toEqual(orders);
    world.clock.wallJump(629_999);
    expect(world.callers.callerOf(token)).toEqual(orders);
    world.clock.wallJump(1);
    expect(await wordOf(world.callers, token)).toBe('CALLER_UNAUTHENTICATED');
  });

  test('and failed fails again for 10 s at once', async () => {
    await using world = await tokenWorld();
    const now = world.clock.now() / 1000;
    const token = world.issuer.mint({ claims: { nbf: now + 31 } });
    const failure = await outcomeOf(world.callers, token);
    expect(failureOf(() => world.callers.callerOf(token))).toBe(failure);
    world.clock.advance(9_999);
    expect(failureOf(() => world.callers.callerOf(token))).toBe(failure);
    world.clock.advance(1);
    expect(await wordOf(world.callers, token)).toBe('shop/orders');
  });

  test('and failed is forgotten for more than a thousand others that did', async () => {
    await using world = await tokenWorld();
    const tokens = Array.from({ length: 1_001 }, (_, index) => `${index}`);
    for (const token of tokens) expect(await wordOf(world.callers, token)).toBe('CALLER_UNAUTHENTICATED');
    expect(failureOf(() => world.callers.callerOf('1')).reason).toBe('CALLER_UNAUTHENTICATED');
    await expect(world.callers.callerOf('0')).rejects.toMatchObject({ reason: 'CALLER_UNAUTHENTICATED' });
  });
});

test('after the end nobody is known', async () => {
  await using world = await tokenWorld();
  const token = world.issuer.mint();
  await world.callers.callerOf(token);
  const checking = outcomeOf(world.callers, world.issuer.mint({ claims: { jti: 'late' } }));
  world.callers[Symbol.dispose]();
  expect(await checking).toMatchObject({ reason: 'CALLER_UNVERIFIABLE' });
  expect(await wordOf(world.callers, token)).toBe('CALLER_UNVERIFIABLE');
  expect(world.clock.timers).toBe(0);
});
