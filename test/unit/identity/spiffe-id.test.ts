/** SPIFFE-ID, sections 2.1 to 2.3, rule by rule. */
import { describe, expect, test } from 'vitest';
import { isTrustDomain, parseSpiffeId } from '../../../src/identity/spiffe-id.ts';

const domainOf255 = 'a'.repeat(255);

describe('a valid SPIFFE ID', () => {
  test.each([
    ['spiffe://example.org/web', 'example.org', '/web'],
    ['spiffe://example.org', 'example.org', ''],
    ['spiffe://k8s-west.example.com/ns/staging/sa/default', 'k8s-west.example.com', '/ns/staging/sa/default'],
    ['spiffe://10.0.0.1/web', '10.0.0.1', '/web'],
    ['spiffe://a_b/Web.Front-end_2/...', 'a_b', '/Web.Front-end_2/...'],
    ['spiffe://example.org/.hidden/..two', 'example.org', '/.hidden/..two'],
    [`spiffe://${domainOf255}/a`, domainOf255, '/a'],
    [`spiffe://e/${'a'.repeat(2037)}`, 'e', `/${'a'.repeat(2037)}`],
  ])('%.60s is read', (text, trustDomain, path) => {
    expect(parseSpiffeId(text)).toEqual({ trustDomain, path });
  });
});

describe('what is no SPIFFE ID', () => {
  test.each([
    ['another scheme', 'https://example.org/web'],
    ['a scheme in capitals', 'SPIFFE://example.org/web'],
    ['no scheme', 'example.org/web'],
    ['one slash', 'spiffe:/example.org/web'],
    ['no trust domain', 'spiffe:///web'],
    ['nothing but the scheme', 'spiffe://'],
    ['a trust domain in capitals', 'spiffe://Example.org/web'],
    ['a user', 'spiffe://user@example.org/web'],
    ['a port', 'spiffe://example.org:443/web'],
    ['an empty port', 'spiffe://example.org:/web'],
    ['an IPv6 address', 'spiffe://[::1]/web'],
    ['a trust domain of 256 characters', `spiffe://a${domainOf255}/a`],
    ['2,049 characters', `spiffe://e/${'a'.repeat(2038)}`],
    ['a query', 'spiffe://example.org/web?a=b'],
    ['an empty query', 'spiffe://example.org/web?'],
    ['a fragment', 'spiffe://example.org/web#a'],
    ['a fragment without a path', 'spiffe://example.org#a'],
    ['percent encoding in the path', 'spiffe://example.org/we%62'],
    ['percent encoding in the trust domain', 'spiffe://example%2eorg/web'],
    ['a slash at the end', 'spiffe://example.org/web/'],
    ['a slash and nothing else', 'spiffe://example.org/'],
    ['an empty segment', 'spiffe://example.org/a//b'],
    ['a segment .', 'spiffe://example.org/./web'],
    ['a segment . at the end', 'spiffe://example.org/web/.'],
    ['a segment ..', 'spiffe://example.org/a/../web'],
    ['a segment .. at the end', 'spiffe://example.org/..'],
    ['a character outside the set', 'spiffe://example.org/a+b'],
    ['a colon in the path', 'spiffe://example.org/a:b'],
    ['a backslash', 'spiffe://example.org\\web'],
    ['a letter of another script', 'spiffe://example.org/w\u0435b'],
    ['a zero byte', 'spiffe://example.org/web\0'],
    ['a line feed at the end', 'spiffe://example.org/web\n'],
    ['a blank before it', ' spiffe://example.org/web'],
    ['nothing', ''],
  ])('%s', (_what, text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });
});

test('isTrustDomain takes the names that a SPIFFE ID may have in the place of a host', () => {
  expect(['example.org', 'a', domainOf255].map(isTrustDomain)).toEqual([true, true, true]);
  expect(['', 'Example.org', 'spiffe://a', 'a/b', 'a:1', `${domainOf255}a`, 'a\n'].some(isTrustDomain)).toBe(false);
});
