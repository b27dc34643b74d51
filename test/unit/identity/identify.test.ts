/** Which of a connection and a token says who calls. */
import { expect, test } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { identifyByToken } from '../../../src/identity/identify.ts';

const connection: Caller = { kind: 'spiffe', id: 'spiffe://example.org/web' };
const orders: Caller = { kind: 'service_account', namespace: 'shop', name: 'orders' };

function bench(isNeeded: boolean) {
  const asked: string[] = [];
  const identify = identifyByToken(
    (token) => {
      asked.push(token);
      return orders;
    },
    { isNeeded },
  );
  return { asked, identify };
}

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
