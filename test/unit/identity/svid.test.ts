/** Which certificates name a caller, and which do not (X509-SVID.md, sections 2 to 5). */
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { judgeSvid } from '../../../src/identity/svid.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { bitString, boolean, namedBits, oid, sequence, value } from '../../support/svid-der.ts';
import {
  alternativeNames,
  extension,
  keyUsageBits,
  makeRoot,
  type SvidOptions,
  trustDomain,
  uriName,
  workload,
} from '../../support/svids.ts';

const root = makeRoot();
const { digitalSignature, keyEncipherment, keyCertSign, cRLSign, decipherOnly } = keyUsageBits;
const ids = { basicConstraints: '2.5.29.19', keyUsage: '2.5.29.15', extendedKeyUsage: '2.5.29.37' };

function judge(options: SvidOptions) {
  return judgeSvid(root.issue(options).der, trustDomain);
}

/** Puts `wanted` in the place of what a leaf has, whatever that is. */
function replaced(id: string, wanted: Buffer): SvidOptions {
  const name = oid(id);
  return { extensions: (list) => [...list.filter((one) => !one.includes(name)), wanted] };
}

describe('a leaf that names its caller', () => {
  const good: Readonly<Record<string, SvidOptions>> = {
    'as SPIRE makes it': {},
    'with names of other kinds': { dns: ['web.shop.svc', 'spiffe://evil.org/in-a-dns-name'] },
    'with key encipherment': { keyUsage: [digitalSignature, keyEncipherment] },
    'with a key usage of two bytes': { keyUsage: [digitalSignature, decipherOnly] },
    'without extended key usage': { extendedKeyUsage: 'none' },
    'for clients alone': { extendedKeyUsage: [2] },
    'without basic constraints': {
      extensions: (list) => list.filter((one) => !one.includes(oid(ids.basicConstraints))),
    },
    'with cA written out as false': replaced(
      ids.basicConstraints,
      extension(ids.basicConstraints, true, sequence(boolean(false))),
    ),
    'with zeros at the end of its key usage': replaced(
      ids.keyUsage,
      extension(ids.keyUsage, true, bitString(Buffer.of(0x80))),
    ),
    'with an extension that nobody knows': {
      extensions: (list) => [...list, extension('1.2.3.4.55555', false, Buffer.of(1, 2, 3))],
    },
  };
  test.each(Object.entries(good))('%s', (_what, options) => {
    expect(judge(options)).toEqual({ kind: 'svid', id: workload });
  });

  test('a name of 2,048 bytes', () => {
    const id = `spiffe://${trustDomain}/${'a'.repeat(2048 - 10 - trustDomain.length)}`;
    expect(judge({ uris: [id] })).toEqual({ kind: 'svid', id });
  });
});

describe('a leaf that names nobody', () => {
  const bad: readonly (readonly [what: string, options: SvidOptions, why: string])[] = [
    ['two URIs', { uris: [workload, `${workload}2`] }, 'more than one URI'],
    ['a SPIFFE ID and another URI', { uris: [workload, 'https://example.org/'] }, 'more than one URI'],
    ['the same URI twice', { uris: [workload, workload] }, 'more than one URI'],
    ['no alternative name', { uris: [] }, 'no URI'],
    ['a SPIFFE ID as a DNS name', { uris: [], dns: [workload] }, 'no URI'],
    ['another scheme', { uris: ['https://example.org/web'] }, 'no valid SPIFFE ID'],
    ['a SPIFFE ID that breaks a rule', { uris: ['spiffe://example.org/a/../b'] }, 'no valid SPIFFE ID'],
    ['a byte that is not ASCII', { uris: ['spiffe://example.org/w\xe9b'] }, 'no valid SPIFFE ID'],
    ['a zero byte in its name', { uris: [`${workload}\0.evil.org`] }, 'no valid SPIFFE ID'],
    ['2,049 bytes', { uris: [`spiffe://example.org/${'a'.repeat(2028)}`] }, 'no valid SPIFFE ID'],
    ['no path', { uris: ['spiffe://example.org'] }, 'no path'],
    ['another trust domain', { uris: ['spiffe://evil.org/ns/shop/sa/web'] }, 'another trust domain'],
    ['a trust domain below ours', { uris: ['spiffe://a.example.org/web'] }, 'another trust domain'],
    ['a trust domain that begins with ours', { uris: ['spiffe://example.org.evil.org/web'] }, 'another trust domain'],
    ['cA', { isAuthority: true }, 'an authority'],
    ['no key usage', { keyUsage: 'none' }, 'no key usage'],
    ['no digitalSignature', { keyUsage: [keyEncipherment] }, 'digitalSignature'],
    ['an empty key usage', { keyUsage: [] }, 'digitalSignature'],
    ['keyCertSign', { keyUsage: [digitalSignature, keyCertSign] }, 'may sign certificates'],
    ['cRLSign', { keyUsage: [digitalSignature, cRLSign] }, 'may sign certificates'],
    ['serverAuth alone', { extendedKeyUsage: [1] }, 'clientAuth'],
    ['an empty extended key usage', { extendedKeyUsage: [] }, 'clientAuth'],
  ];
  test.each(bad)('%s', (_what, options, why) => {
    const verdict = judge(options);
    expect(verdict).toEqual({ kind: 'refused', why: expect.stringContaining(why) });
    expect(JSON.stringify(verdict)).not.toMatch(/example\.org|evil/);
  });
});

describe('bytes that two parsers may read differently', () => {
  const odd: readonly (readonly [what: string, options: SvidOptions])[] = [
    ['an extension twice', { extensions: (list) => [...list, ...list.slice(-1)] }],
    ['names in two extensions', { extensions: (list) => [...list, alternativeNames(uriName(`${workload}2`))] }],
    ['a name of a tenth kind', replaced('2.5.29.17', alternativeNames(uriName(workload), value(0x89, Buffer.of(1))))],
    ['a name of a universal type', replaced('2.5.29.17', alternativeNames(value(0x16, Buffer.from(workload))))],
    ['a URI in pieces', replaced('2.5.29.17', alternativeNames(value(0xa6, uriName(workload))))],
    [
      'something behind the names',
      replaced('2.5.29.17', extension('2.5.29.17', true, twice(sequence(uriName(workload))))),
    ],
    [
      'something behind cA',
      replaced(ids.basicConstraints, extension(ids.basicConstraints, true, sequence(boolean(false), boolean(true)))),
    ],
    [
      'a truth that is neither 00 nor FF',
      replaced(ids.basicConstraints, extension(ids.basicConstraints, true, sequence(value(0x01, Buffer.of(1))))),
    ],
    [
      'a key usage with bits behind its end',
      replaced(ids.keyUsage, extension(ids.keyUsage, true, value(0x03, Buffer.of(7, 0xc0)))),
    ],
    [
      'a key usage with nine unused bits',
      replaced(ids.keyUsage, extension(ids.keyUsage, true, value(0x03, Buffer.of(9, 0x80)))),
    ],
    ['a key usage of no bytes', replaced(ids.keyUsage, extension(ids.keyUsage, true, value(0x03)))],
    [
      'a length that is longer than it must be',
      replaced(ids.keyUsage, extension(ids.keyUsage, true, Buffer.of(0x03, 0x81, 0x02, 0x07, 0x80))),
    ],
    [
      'a length of no fixed end',
      replaced(ids.extendedKeyUsage, extension(ids.extendedKeyUsage, false, Buffer.of(0x30, 0x80, 0x00, 0x00))),
    ],
    ['a length past the end', replaced(ids.keyUsage, extension(ids.keyUsage, true, Buffer.of(0x03, 0x03, 0x07, 0x80)))],
    ['a tag of two bytes', replaced('2.5.29.17', alternativeNames(uriName(workload), Buffer.of(0x9f, 0x06, 0x00)))],
  ];
  test.each(odd)('%s', (_what, options) => {
    expect(judge(options)).toEqual({ kind: 'refused', why: expect.stringContaining('strict DER') });
  });

  test('a certificate with something behind it, one that is cut, and none', () => {
    const { der } = root.issue();
    for (const bytes of [Buffer.concat([der, Buffer.of(0)]), der.subarray(0, -1), Buffer.alloc(0)]) {
      expect(judgeSvid(bytes, trustDomain).kind).toBe('refused');
    }
  });

  test('a certificate of version 1', () => {
    const { der } = root.issue();
    const at = der.indexOf(Buffer.of(0xa0, 0x03, 0x02, 0x01, 0x02));
    const first = Buffer.from(der);
    first[at + 4] = 0;
    expect(judgeSvid(first, trustDomain).kind).toBe('refused');
  });

  function twice(bytes: Buffer): Buffer {
    return Buffer.concat([bytes, bytes]);
  }
});

test('a certificate that a library wrote is read as it was meant', async () => {
  const { cert } = await (await makeAuthority()).issue();
  const verdict = judgeSvid(new X509Certificate(cert).raw, trustDomain);
  expect(verdict).toEqual({ kind: 'refused', why: expect.stringContaining('clientAuth') });
});

test('the certificates made for tests are what Node reads too', () => {
  const certificate = new X509Certificate(root.issue({ dns: ['web.shop.svc'] }).der);
  expect(certificate.subjectAltName).toBe(`URI:${workload}, DNS:web.shop.svc`);
  expect(certificate.verify(new X509Certificate(root.pem).publicKey)).toBe(true);
  expect(namedBits([0])).toEqual(Buffer.of(3, 2, 7, 0x80));
});
