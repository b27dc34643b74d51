import { expect, test } from 'vitest';
import { readKeySet } from '../../../src/identity/jwks-set.ts';

const ec = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' };

function namesIn(...keys: unknown[]): string[] {
  return [...readKeySet(JSON.stringify({ keys })).names];
}

test('of a list those keys are taken that have a name and a public half alone', () => {
  expect(namesIn({ ...ec, kid: 'a' }, { kty: 'RSA', n: 'AA', e: 'AQAB', kid: 'b' }, { kty: 'OKP', kid: 'c' })).toEqual([
    ...['a', 'b', 'c'],
  ]);
  const others = [ec, { ...ec, kid: '' }, { ...ec, kid: 7 }, { ...ec, kid: 'a', d: 'AA' }, 'a', null, [], {}];
  expect(
    namesIn(...others, { kty: 'oct', k: 'AA', kid: 'a' }, { kty: 'oct', kid: 'a' }, { kty: 'AKP', kid: 'a' }),
  ).toEqual([]);
});

test('an issuer may list no key: then no token is good', () => {
  expect(namesIn()).toEqual([]);
});

test('lists of the same keys are the same, whatever their order, and others are not', () => {
  const [a, b] = [
    { ...ec, kid: 'a' },
    { kid: 'b', ...ec },
  ];
  const fingerprint = (...keys: unknown[]) => readKeySet(JSON.stringify({ more: 1, keys })).fingerprint;
  expect(fingerprint(a, b)).toBe(fingerprint(b, { kid: 'a', ...ec }));
  expect(fingerprint(a, b)).not.toBe(fingerprint(a));
  expect(fingerprint(a, b)).not.toBe(fingerprint(a, { ...b, x: 'AB' }));
});
