/** Tokens while the keys of their issuer change, or cannot be had. */
import { describe, expect, test, vi } from 'vitest';
import { failureOf } from '../../support/failure-of.ts';
import { makeIssuerKey } from '../../support/token-issuer.ts';
import { outcomeOf, tokenWorld, wordOf } from '../../support/token-world.ts';

const [minute, hour] = [60_000, 3_600_000];
const refreshMs = 5 * minute;

describe('a new key of the issuer', () => {
  test('is taken with the first token that it signed: no call fails', async () => {
    await using world = await tokenWorld();
    const { callers, issuer } = world;
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    issuer.rotate('RS256');
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    expect(issuer.requests.length).toBe(2);
  });

  test('is taken at once for a hundred calls by one request', async () => {
    await using world = await tokenWorld();
    const { callers, issuer } = world;
    issuer.rotate();
    const tokens = Array.from({ length: 100 }, (_, index) => issuer.mint({ claims: { jti: `${index % 20}` } }));
    expect(new Set(await Promise.all(tokens.map((token) => wordOf(callers, token))))).toEqual(new Set(['shop/orders']));
    expect(issuer.requests.length).toBe(2);
  });

  test('is taken also where a fetch was under way that did not bring it', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer } = world;
    issuer.next.push({ kind: 'body', body: JSON.stringify({ keys: [issuer.key.jwk] }) });
    issuer.rotate();
    clock.advance(refreshMs);
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    expect(issuer.requests.length).toBe(3);
  });

  test('is there before its first token where the issuer lists it five minutes before', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer } = world;
    issuer.rotate();
    clock.advance(refreshMs);
    await vi.waitFor(() => expect(issuer.requests.length).toBe(2));
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    expect(issuer.requests.length).toBe(2);
  });

  test('is asked for once in 10 s, however many tokens name keys that are none', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer } = world;
    const stranger = makeIssuerKey('ES256');
    const flood = () =>
      Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          outcomeOf(callers, issuer.mint({ key: stranger, header: { kid: `${index}` } })),
        ),
      );
    for (const failure of await flood()) expect(failure).toMatchObject({ reason: 'CALLER_UNAUTHENTICATED' });
    await flood();
    expect(issuer.requests.length).toBe(2);
    clock.advance(9_999);
    await flood();
    expect(issuer.requests.length).toBe(2);
    clock.advance(1);
    await flood();
    expect(issuer.requests.length).toBe(3);
  });
});

describe('a key that the issuer lists no longer', () => {
  test('is good for no token any more after the next fetch, remembered or not', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer } = world;
    const [old, token] = [issuer.key, issuer.mint()];
    expect(await wordOf(callers, token)).toBe('shop/orders');
    issuer.rotate();
    issuer.retire(old);
    expect(await wordOf(callers, token)).toBe('shop/orders');
    clock.advance(refreshMs);
    await vi.waitFor(async () => expect(await wordOf(callers, token)).toBe('CALLER_UNAUTHENTICATED'));
    expect(await wordOf(callers, issuer.mint({ key: old }))).toBe('CALLER_UNAUTHENTICATED');
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
  });

  test('makes good tokens that failed under it', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer } = world;
    const [right, wrong] = [issuer.key, makeIssuerKey('ES256')];
    const token = issuer.mint();
    issuer.mood = { kind: 'body', body: JSON.stringify({ keys: [{ ...wrong.jwk, kid: right.kid }] }) };
    clock.advance(refreshMs);
    await vi.waitFor(async () => expect(await wordOf(callers, token)).toBe('CALLER_UNAUTHENTICATED'));
    expect(failureOf(() => callers.callerOf(token)).reason).toBe('CALLER_UNAUTHENTICATED');
    issuer.mood = { kind: 'well' };
    clock.advance(9_000);
    expect(failureOf(() => callers.callerOf(token)).reason).toBe('CALLER_UNAUTHENTICATED');
    issuer.rotate();
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    expect(await wordOf(callers, token)).toBe('shop/orders');
  });
});

test('the same keys in another order are no change: what is remembered stays', async () => {
  await using world = await tokenWorld({ before: (issuer) => issuer.rotate() });
  const { callers, clock, issuer } = world;
  const token = issuer.mint();
  const caller = await callers.callerOf(token);
  issuer.keys.reverse();
  clock.advance(refreshMs);
  await vi.waitFor(() => expect(issuer.requests.length).toBe(2));
  // The next fetch is set when the answer has been taken.
  await vi.waitFor(() => expect(clock.timers).toBe(1));
  expect(callers.callerOf(token)).toEqual(caller);
});

describe('while the issuer does not answer', () => {
  test('tokens are checked by the last good keys for a day, and then not at all', async () => {
    await using world = await tokenWorld();
    const { callers, clock, issuer, states } = world;
    const token = issuer.mint({ lifeSeconds: 100 * 3600 });
    await callers.callerOf(token);
    issuer.mood = { kind: 'status', status: 500 };
    for (let hours = 0; hours < 23; hours++) {
      clock.advance(hour);
      await vi.waitFor(() => expect(clock.timers).toBe(1));
    }
    clock.advance(hour - 1);
    expect(callers.callerOf(token)).toMatchObject({ name: 'orders' });
    expect(await wordOf(callers, issuer.mint({ claims: { jti: 'new' } }))).toBe('shop/orders');
    clock.advance(1);
    expect(await wordOf(callers, token)).toBe('CALLER_UNVERIFIABLE');
    await vi.waitFor(() => expect(states.map(([state]) => state)).toEqual(['fetched', 'unavailable']));
    issuer.mood = { kind: 'well' };
    clock.advance(minute);
    await vi.waitFor(async () => expect(await wordOf(callers, token)).toBe('shop/orders'));
    expect(states.map(([state]) => state)).toEqual(['fetched', 'unavailable', 'fetched']);
  });

  test('a token with a new key may be good, and is told so', async () => {
    await using world = await tokenWorld();
    const { callers, issuer } = world;
    issuer.rotate();
    issuer.mood = { kind: 'cut' };
    expect(await outcomeOf(callers, issuer.mint())).toMatchObject({
      reason: 'CALLER_UNVERIFIABLE',
      retryAfterMs: 10_000,
    });
  });

  test('and never did, the daemon starts, and catches up with the first token after 10 s', async () => {
    await using world = await tokenWorld({
      before: (issuer) => {
        issuer.mood = { kind: 'status', status: 503 };
      },
    });
    const { callers, clock, issuer, states } = world;
    expect(states).toEqual([['unavailable', expect.objectContaining({ message: expect.stringMatching(/503/) })]]);
    const token = issuer.mint();
    expect(await outcomeOf(callers, token)).toMatchObject({ reason: 'CALLER_UNVERIFIABLE' });
    expect(issuer.requests.length).toBe(2);
    for (let times = 0; times < 100; times++) expect(await wordOf(callers, token)).toBe('CALLER_UNVERIFIABLE');
    expect(issuer.requests.length).toBe(2);
    issuer.mood = { kind: 'well' };
    clock.advance(10_000);
    expect(await wordOf(callers, token)).toBe('shop/orders');
    expect(states.map(([state]) => state)).toEqual(['unavailable', 'fetched']);
  });

  test('it is asked again, from 10 s on and ever later, within a minute', async () => {
    await using world = await tokenWorld({
      before: (issuer) => {
        issuer.mood = { kind: 'cut' };
      },
    });
    const { clock, issuer } = world;
    for (const [index, pause] of [12_500, 15_000, 20_000, 30_000, 35_000, 35_000].entries()) {
      clock.advance(pause - 1);
      expect(issuer.requests.length).toBe(index + 1);
      clock.advance(1);
      await vi.waitFor(() => expect(issuer.requests.length).toBe(index + 2));
      await vi.waitFor(() => expect(clock.timers).toBe(1));
    }
  });
});

describe('in place of keys', () => {
  const key = makeIssuerKey('ES256');
  const body = (value: unknown) => ({ kind: 'body', body: JSON.stringify(value) }) as const;

  test.each([
    ['a page', { kind: 'body', body: '<html>secret</html>' } as const, /not a JSON object with a list of keys/],
    ['nothing', { kind: 'body', body: '' } as const, /not a JSON object/],
    ['null', body(null), /not a JSON object/],
    ['an object without keys', body({ secret: 1 }), /not a JSON object/],
    ['keys that are no list', body({ keys: { secret: 1 } }), /not a JSON object/],
    ['too many keys', body({ keys: Array.from({ length: 101 }, () => key.jwk) }), /more than 100 keys/],
    ['too much', body({ keys: [], secret: 'x'.repeat(256 * 1024) }), /longer than 256 KiB/],
    ['an error', { kind: 'status', status: 500 } as const, /is 500, and would have to be 200/],
    ['a redirect', { kind: 'status', status: 302, location: '/openid/v1/jwks' } as const, /is 302/],
    ['a closed connection', { kind: 'cut' } as const, /no answer: ECONNRESET/],
  ])('%s changes nothing, and the operator is told why', async (_title, mood, why) => {
    await using world = await tokenWorld();
    const { callers, clock, issuer, states } = world;
    issuer.mood = mood;
    clock.advance(refreshMs);
    await vi.waitFor(() => expect(states.length).toBe(2));
    expect(states[1]).toEqual(['unavailable', expect.objectContaining({ message: expect.stringMatching(why) })]);
    expect(String(states[1]?.[1])).not.toContain('secret');
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    expect(issuer.requests.length).toBe(2);
  });

  test.each(['hang', 'half'] as const)('silence (%s) counts as an outage after 5 s', async (kind) => {
    await using world = await tokenWorld();
    const { clock, issuer, states } = world;
    issuer.mood = { kind };
    clock.advance(refreshMs);
    await vi.waitFor(() => expect(issuer.requests.length).toBe(2));
    clock.advance(4_999);
    expect(states.length).toBe(1);
    clock.advance(1);
    await vi.waitFor(() => expect(states.length).toBe(2));
    expect(states[1]).toEqual(['unavailable', expect.objectContaining({ message: 'no answer within 5 s' })]);
  });

  test('keys of other kinds, private ones and such without a name are passed over', async () => {
    await using world = await tokenWorld({
      before: (issuer) => {
        const whole = issuer.key.privateKey.export({ format: 'jwk' });
        const { kid: _kid, ...nameless } = key.jwk;
        const others = [nameless, { ...whole, kid: 'private' }, { kty: 'oct', k: 'AA', kid: 'shared' }, 7, null, {}];
        issuer.mood = body({ keys: [...others, { kty: 'new', kid: 'new' }, issuer.key.jwk] });
      },
    });
    const { callers, issuer } = world;
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
    for (const kid of ['private', 'shared', 'new']) {
      expect(await wordOf(callers, issuer.mint({ header: { kid } }))).toBe('CALLER_UNAUTHENTICATED');
    }
  });

  test.each([
    ['is too short', { kty: 'RSA', n: Buffer.alloc(64, 0xff).toString('base64url'), e: 'AQAB' }, 'RS256'],
    ['is garbage', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, 'ES256'],
  ])('a key that %s is the fault of the issuer', async (_title, jwk, alg) => {
    await using world = await tokenWorld({
      before: (issuer) => {
        issuer.mood = body({ keys: [issuer.key.jwk, { ...jwk, kid: 'bad' }] });
      },
    });
    const { callers, issuer } = world;
    const failure = await outcomeOf(callers, issuer.mint({ header: { kid: 'bad', alg } }));
    expect(failure).toMatchObject({ reason: 'CALLER_UNVERIFIABLE', message: expect.stringMatching(/cannot be used/) });
    expect(await wordOf(callers, issuer.mint())).toBe('shop/orders');
  });

  test('two keys of one name are the fault of the issuer', async () => {
    await using world = await tokenWorld({
      before: (issuer) => {
        issuer.mood = body({ keys: [issuer.key.jwk, { ...key.jwk, kid: issuer.key.kid }] });
      },
    });
    expect(await wordOf(world.callers, world.issuer.mint())).toBe('CALLER_UNVERIFIABLE');
  });
});
