/** Which of a connection and a token says who calls. */
import { expect, test } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { identifyByToken } from '../../../src/identity/identify.ts';

const connection: Caller = { kind: 'spiffe', id: 'spiffe://example.org/web' };
const orders: Caller = { kind: 'service_account', namespace: 'shop', name: 'orders' };

function bench(isNeeded: boolean) {
  const asked: string[] = [];
  const origins = new Set<object>();
  const tokens = {
    known: (origin: object) => (origins.has(origin) ? orders : undefined),
    callerOf(token: string, origin?: object) {
      asked.push(token);
      if (origin !== undefined) origins.add(origin);
      return orders;
    },
  };
  const judge = identifyByToken(tokens, { isNeeded });
  const identify = (caller: Caller, value: string | undefined, origin?: object) =>
    judge(caller, { authorization: () => value, ...(origin && { origin }) });
  return { asked, identify };
}

test('a token whose origin is known is not looked at again', () => {
  const { asked, identify } = bench(true);
  const origin = {};
  for (let i = 0; i < 3; i++) expect(identify(connection, 'Bearer a.b.c', origin)).toBe(orders);
  expect(asked).toEqual(['a.b.c']);
});

test.each(['Bearer a.b.c', 'bearer a.b.c', 'BEARER  a.b.c '])(
  '%s is a token, and counts before the connection',
  (value) => {
    const { asked, identify } = bench(false);
    expect(identify(connection, value)).toBe(orders);
    expect(asked).toEqual(['a.b.c']);
  },
);

test.each(['', 'Bearer', 'Bearer ', 'Bearer   ', 'Bearera.b.c', 'Basic YTpi', 'a.b.c'])(
  '"%s" is no token, and the connection does not stand in for it',
  (value) => {
    const { asked, identify } = bench(false);
    expect(() => identify(connection, value)).toThrow(expect.objectContaining({ reason: 'CALLER_UNAUTHENTICATED' }));
    expect(asked).toEqual([]);
  },
);

test('without a token the connection counts, unless one is needed', () => {
  expect(bench(false).identify(connection, undefined)).toBe(connection);
  expect(() => bench(true).identify(connection, undefined)).toThrow(/send "authorization: Bearer TOKEN"/);
});
