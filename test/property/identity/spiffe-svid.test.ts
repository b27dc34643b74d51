/** No bytes break the reader of certificates, and what it reads OpenSSL, which Node asks, reads in the same way. */
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeSvid } from '../../../src/identity/svid.ts';
import { keyUsageBits, makeKeys, makeRoot, trustDomain, workload } from '../../support/svids.ts';

const root = makeRoot();
const keys = makeKeys();
const originals = [
  root.issue({ keys }),
  root.issue({ keys, dns: ['web.shop.svc'] }),
  root.issue({ keys, uris: [workload, 'https://example.org/'] }),
  root.issue({ keys, isAuthority: true, keyUsage: [keyUsageBits.keyCertSign] }),
].map(({ der }) => der);

/** What is done to bytes: at a place given as a part of the whole, some are changed, taken out or put in. */
interface Change {
  readonly kind: 'set' | 'remove' | 'insert';
  readonly place: number;
  readonly bytes: Uint8Array;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('set', 'set', 'set', 'remove', 'insert'),
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 3 }),
});

function changed(original: Buffer, changes: readonly Change[]): Buffer {
  return changes.reduce((bytes, { kind, place, bytes: wanted }) => {
    const at = Math.floor(place * bytes.length);
    const behind = kind === 'insert' ? at : at + wanted.length;
    const put = kind === 'remove' ? Buffer.alloc(0) : wanted;
    return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(behind)]);
  }, original);
}

test('whatever is changed in a certificate, there is a verdict, and a name is the one that OpenSSL reads', () => {
  const seen = { svid: 0, refused: 0, compared: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...originals), fc.array(change, { maxLength: 3 }), (original, changes) => {
      const der = changed(original, changes);
      const verdict = judgeSvid(der, trustDomain);
      seen[verdict.kind] += 1;
      const certificate = certificateOf(der);
      if (verdict.kind === 'refused' || certificate === undefined) return;
      seen.compared += 1;
      const names = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
      expect(names).toEqual([`URI:${verdict.id}`]);
      expect(certificate.ca).toBe(false);
      expect(certificate.raw.equals(der)).toBe(true);
    }),
    { numRuns: 20_000 },
  );
  expect(seen.refused).toBeGreaterThan(1000);
  expect(seen.compared).toBeGreaterThan(1000);
});

test('bytes of any kind get a verdict', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(judgeSvid(Buffer.from(bytes), trustDomain).kind).toBe('refused');
    }),
    { numRuns: 5000 },
  );
});

test('whatever a certificate has, the verdict is that of the rules', () => {
  const bits = Object.values(keyUsageBits);
  const uri = fc.constantFrom(workload, workload, 'spiffe://example.org', 'spiffe://evil.org/web', 'https://a/b');
  const options = fc.record({
    uris: fc.oneof({ weight: 3, arbitrary: uri.map((one) => [one]) }, { weight: 1, arbitrary: fc.array(uri) }),
    dns: fc.array(fc.constantFrom('a.b', workload), { maxLength: 2 }),
    isAuthority: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    keyUsage: fc.oneof(
      { weight: 2, arbitrary: fc.constant([keyUsageBits.digitalSignature]) },
      { weight: 2, arbitrary: fc.subarray(bits) },
      { weight: 1, arbitrary: fc.constant('none' as const) },
    ),
    extendedKeyUsage: fc.oneof(fc.subarray([1, 2, 3, 4]), fc.constant('none' as const)),
  });
  const seen = { svid: 0, refused: 0 };
  fc.assert(
    fc.property(options, (wanted) => {
      const { uris, isAuthority, keyUsage, extendedKeyUsage } = wanted;
      const { digitalSignature, keyCertSign, cRLSign } = keyUsageBits;
      const isGood =
        uris.join() === workload &&
        !isAuthority &&
        keyUsage !== 'none' &&
        keyUsage.includes(digitalSignature) &&
        !keyUsage.includes(keyCertSign) &&
        !keyUsage.includes(cRLSign) &&
        (extendedKeyUsage === 'none' || extendedKeyUsage.includes(2));
      const verdict = judgeSvid(root.issue({ keys, ...wanted }).der, trustDomain);
      expect(verdict.kind).toBe(isGood ? 'svid' : 'refused');
      seen[verdict.kind] += 1;
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(seen.svid, seen.refused)).toBeGreaterThan(100);
});

function certificateOf(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
