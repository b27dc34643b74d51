/** Wrapped DEKs and key derivation under arbitrary input. */
import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { serializeEntries } from '../../src/base/encrypted-data-key.ts';
import { expand, extract } from '../../src/envelope/hkdf.ts';
import { parseWrappedDek, serializeWrappedDek, wrapTagMatches } from '../../src/envelope/wrapped-dek.ts';
import { bytes, context, entries, everyFlip } from '../support/envelope-arbitraries.ts';
import { failureOf } from '../support/failure-of.ts';
import { nothing, sampleBytes, sampleContext, sampleDataKey } from '../support/sample-message.ts';

const limits = { maxEncryptedDataKeys: 16 };

describe('a wrapped DEK', () => {
  const lengths = fc.constantFrom(16, 24, 32, 64);
  const tenantId = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/);
  const kind = fc.constantFrom<1 | 2 | 3>(1, 2, 3);

  const wrapped = fc.record({ kind, wish: lengths, entries, tenantId, context }).map(({ wish, ...parts }) => {
    const length = parts.kind === 3 ? 32 : wish;
    const dataKey = sampleDataKey(parts.kind === 1 ? length : 32);
    const salt = parts.kind === 2 ? { salt: sampleBytes(32, 'salt') } : {};
    return { ...parts, length, dataKey, written: serializeWrappedDek({ ...parts, ...salt, length, dataKey }) };
  });

  it('is read as it was written, and its parts encode back to the same bytes', () => {
    fc.assert(
      fc.property(wrapped, ({ written, dataKey, ...parts }) => {
        const parsed = parseWrappedDek(written, limits);
        expect(parsed).toMatchObject({ kind: parts.kind, length: parts.length, entries: parts.entries });
        expect(wrapTagMatches(parsed, dataKey, parts.tenantId, parts.context)).toBe(true);
        const lead = Buffer.of(1, parsed.kind, parsed.length);
        const count = Buffer.of(parsed.entries.length);
        const again = [lead, parsed.salt ?? nothing, count, parsed.entriesBytes, parsed.tag];
        expect(Buffer.concat(again)).toEqual(written);
        expect(serializeEntries(parsed.entries)).toEqual(parsed.entriesBytes);
      }),
    );
  });

  it('is refused, or its tag does not match, with every single bit changed and at every cut', () => {
    const one = { providerId: Buffer.from('p'), providerInfo: Buffer.from('i'), ciphertext: sampleBytes(12) };
    using dataKey = sampleDataKey();
    const binding = { dataKey, tenantId: 'tenant_12345', context: sampleContext };
    const written = serializeWrappedDek({ kind: 2, length: 32, salt: sampleBytes(32), entries: [one], ...binding });
    const matches = (bad: Buffer) =>
      wrapTagMatches(parseWrappedDek(bad, limits), dataKey, 'tenant_12345', sampleContext);
    expect(matches(written)).toBe(true);
    let unmatched = 0;
    for (const bad of everyFlip(written)) {
      try {
        if (matches(bad)) throw new Error('a changed bit went unnoticed');
        unmatched++;
      } catch (error) {
        expect(error).toMatchObject({ reason: 'DECRYPT_FAILED' });
      }
    }
    expect(unmatched).toBeGreaterThan(written.length * 4);
    for (let length = 0; length < written.length; length++) {
      expect(failureOf(() => parseWrappedDek(written.subarray(0, length), limits)).reason).toBe('DECRYPT_FAILED');
    }
    expect(failureOf(() => parseWrappedDek(Buffer.concat([written, Buffer.alloc(1)]), limits)).reason).toBe(
      'DECRYPT_FAILED',
    );
  });

  it('is refused where it is random bytes, or encodes back to them', () => {
    const start = fc.constantFrom('', '01', '010120', '010220').map((text) => Buffer.from(text, 'hex'));
    fc.assert(
      fc.property(start, bytes(200), (head, tail) => {
        const junk = Buffer.concat([head, tail]);
        try {
          const { body, tag, kind, length, salt, entries: list } = parseWrappedDek(junk, limits);
          const lead = [Buffer.of(1, kind, length), salt ?? nothing, Buffer.of(list.length)];
          expect(Buffer.concat([...lead, serializeEntries(list)])).toEqual(body);
          expect(Buffer.concat([body, tag])).toEqual(junk);
        } catch (error) {
          expect(error).toMatchObject({ reason: 'DECRYPT_FAILED' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('HKDF', () => {
  it('gives what its definition gives, and the built-in function as far as that goes', () => {
    const salt = bytes(128);
    const info = fc.oneof(
      bytes(200),
      fc.integer({ min: 1900, max: 4000 }).map((length) => sampleBytes(length)),
    );
    fc.assert(
      fc.property(salt, bytes(64), info, fc.integer({ min: 1, max: 64 }), (salted, key, label, length) => {
        const extracted = createHmac('sha512', salted).update(key).digest();
        const first = createHmac('sha512', extracted).update(label).update(Buffer.of(1)).digest();
        const expected = first.subarray(0, length);
        if (label.length <= 1024) {
          expect(Buffer.from(hkdfSync('sha512', key, salted, label, length))).toEqual(expected);
        }
        expect(expand(extract(salted, key), [label], length)).toEqual(expected);
      }),
    );
  });
});
