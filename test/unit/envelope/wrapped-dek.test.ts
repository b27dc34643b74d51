/** Wrapped DEKs: what is read, what is refused, and what the tag keeps apart. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import {
  parseWrappedDek,
  serializeWrappedDek,
  type WrappedDekRequest,
  wrapTagMatches,
} from '../../../src/envelope/wrapped-dek.ts';
import { failureOf } from '../../support/failure-of.ts';
import { sampleBytes, sampleContext, sampleDataKey, sampleEntry } from '../../support/sample-message.ts';

const limits = { maxEncryptedDataKeys: 16 };
const salt = sampleBytes(32, 'salt');

function write(change: Partial<WrappedDekRequest> = {}): Buffer {
  using dataKey = sampleDataKey();
  return serializeWrappedDek({
    kind: 1,
    length: 32,
    entries: [sampleEntry],
    dataKey,
    tenantId: 'tenant_12345',
    context: sampleContext,
    ...change,
  });
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(value, at);
  return copy;
}

describe('serializeWrappedDek', () => {
  it.each([16, 24, 32, 64])('writes a key of %i bytes straight from the provider', (length) => {
    using dataKey = sampleDataKey(length);
    const parsed = parseWrappedDek(write({ length, dataKey }), limits);
    expect(parsed).toMatchObject({ kind: 1, length, entries: [sampleEntry] });
    expect(wrapTagMatches(parsed, dataKey, 'tenant_12345', sampleContext)).toBe(true);
  });

  it.each([16, 24, 32, 64])('writes a key of %i bytes that is derived from a root', (length) => {
    const parsed = parseWrappedDek(write({ kind: 2, length, salt }), limits);
    expect(parsed).toMatchObject({ kind: 2, length, salt });
  });

  it('refuses parts that do not fit each other', () => {
    using short = sampleDataKey(16);
    using long = sampleDataKey(64);
    const bad: readonly Partial<WrappedDekRequest>[] = [
      { length: 33 },
      { length: 0 },
      { dataKey: short },
      { kind: 2, salt, dataKey: long, length: 64 },
      { kind: 2 },
      { kind: 2, salt: salt.subarray(1) },
      { salt },
      { kind: 3, length: 16 },
      { entries: [] },
      { entries: Array.from({ length: 17 }, () => sampleEntry) },
    ];
    for (const change of bad) expect(() => write(change)).toThrow(RangeError);
  });
});

describe('parseWrappedDek', () => {
  const plain = write();
  const derived = write({ kind: 2, salt });
  const refused: readonly (readonly [string, Buffer, RegExp])[] = [
    ['no bytes', Buffer.alloc(0), /end in the middle/],
    ['version 0', changed(plain, 0, 0), /version/],
    ['version 2', changed(plain, 0, 2), /version/],
    ['kind 0', changed(plain, 1, 0), /kind/],
    ['kind 4', changed(plain, 1, 4), /kind/],
    ['a length of 0', changed(plain, 2, 0), /length/],
    ['a length of 33', changed(plain, 2, 33), /length/],
    ['a length of 255', changed(plain, 2, 255), /length/],
    ['a root of 64 bytes', changed(changed(plain, 1, 3), 2, 64), /length/],
    ['no entry', changed(plain, 3, 0), /no entry or too many/],
    ['17 entries', changed(plain, 3, 17), /no entry or too many/],
    ['255 entries', changed(plain, 3, 255), /no entry or too many/],
    ['more entries than there are', changed(plain, 3, 2), /runs over|end in the middle/],
    ['a field that runs over the end', changed(plain, 4, 0xff), /runs over/],
    ['a byte too many', Buffer.concat([plain, Buffer.alloc(1)]), /bytes follow/],
    ['a byte too few', plain.subarray(0, -1), /end in the middle/],
    ['a salt that is cut', derived.subarray(0, 20), /end in the middle/],
  ];

  it.each(refused)('refuses %s', (_, bytes, cause) => {
    const failure = failureOf(() => parseWrappedDek(bytes, limits));
    expect(failure).toMatchObject({ reason: 'DECRYPT_FAILED', message: 'decryption failed' });
    expect(failure.cause).toMatchObject({ message: expect.stringMatching(cause) });
  });

  it('takes as many entries as it is told to', () => {
    const entries = [sampleEntry, sampleEntry, sampleEntry];
    expect(parseWrappedDek(write({ entries }), { maxEncryptedDataKeys: 3 }).entries).toHaveLength(3);
    expect(failureOf(() => parseWrappedDek(write({ entries }), { maxEncryptedDataKeys: 2 })).reason).toBe(
      'DECRYPT_FAILED',
    );
  });
});

describe('wrapTagMatches', () => {
  const parsed = parseWrappedDek(write({ kind: 2, salt }), limits);
  const other = EncryptionContext.of([...sampleContext.pairs, ['more', '']]);

  it('keeps tenants, contexts and keys apart', () => {
    using dataKey = sampleDataKey();
    using stranger = sampleDataKey(32, 'stranger');
    expect(wrapTagMatches(parsed, dataKey, 'tenant_12345', sampleContext)).toBe(true);
    expect(wrapTagMatches(parsed, dataKey, 'tenant_12346', sampleContext)).toBe(false);
    expect(wrapTagMatches(parsed, dataKey, 'tenant_12345', other)).toBe(false);
    expect(wrapTagMatches(parsed, stranger, 'tenant_12345', sampleContext)).toBe(false);
  });

  it('does not let a kind pass for another', () => {
    using dataKey = sampleDataKey();
    const root = parseWrappedDek(write({ kind: 3 }), limits);
    const relabelled = parseWrappedDek(changed(write({ kind: 3 }), 1, 1), limits);
    expect(wrapTagMatches(root, dataKey, 'tenant_12345', sampleContext)).toBe(true);
    expect(wrapTagMatches(relabelled, dataKey, 'tenant_12345', sampleContext)).toBe(false);
  });

  it('is false for a key of another length, before anything is computed', () => {
    using long = sampleDataKey(64);
    expect(wrapTagMatches(parsed, long, 'tenant_12345', sampleContext)).toBe(false);
  });
});
