/** Whole messages: their size and layout, what binds them, and how they fail. */
import { createCipheriv, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { type OpenRequest, openMessage } from '../../../src/envelope/decrypt.ts';
import { encryptMessage } from '../../../src/envelope/encrypt.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { failureOf } from '../../support/failure-of.ts';
import {
  flaggedContext,
  nothing,
  sampleBytes,
  sampleContext,
  sampleDataKey,
  sampleEntry,
} from '../../support/sample-message.ts';

const kib64 = 64 * 1024;
const rowId = Buffer.from('row-17');

function write(plaintext: Buffer, associatedData: Uint8Array = nothing, context?: EncryptionContext): Buffer {
  using dataKey = sampleDataKey();
  const pairs = context ?? (associatedData.length > 0 ? flaggedContext : sampleContext);
  return encryptMessage({ dataKey, entries: [sampleEntry], context: pairs, plaintext, associatedData });
}

function open(message: Buffer, change: Partial<OpenRequest> = {}): Buffer {
  using dataKey = sampleDataKey();
  const header = parseHeader(message, { maxEncryptedDataKeys: 16 });
  return openMessage({ message, header, dataKey, associatedData: nothing, ...change });
}

function why(run: () => unknown): string {
  const failure = failureOf(run);
  expect(failure).toMatchObject({ reason: 'DECRYPT_FAILED', message: 'decryption failed', metadata: {} });
  return failure.cause instanceof Error ? failure.cause.message : '';
}

/** Offsets of all frames in a message of this writer, from its layout alone. */
function frames(message: Buffer): { at: number; final: boolean; sequence: number; length: number }[] {
  const found = [];
  let at = parseHeader(message, { maxEncryptedDataKeys: 16 }).bodyOffset;
  while (at < message.length) {
    const final = message.readUInt32BE(at) === 0xffffffff;
    const sequence = message.readUInt32BE(final ? at + 4 : at);
    const length = final ? message.readUInt32BE(at + 20) : kib64;
    found.push({ at, final, sequence, length });
    at += length + (final ? 40 : 32);
  }
  expect(at).toBe(message.length);
  return found;
}

describe('encryptMessage', () => {
  const shapes: readonly (readonly [number, readonly number[]])[] = [
    [0, [0]],
    [1, [1]],
    [kib64 - 1, [kib64 - 1]],
    [kib64, [kib64]],
    [kib64 + 1, [kib64, 1]],
    [2 * kib64, [kib64, kib64]],
    [1024 * 1024, Array.from({ length: 16 }, () => kib64)],
  ];

  it.each(shapes)('writes %i bytes as the frames it should, and they come back', (size, lengths) => {
    const plaintext = sampleBytes(size);
    const message = write(plaintext);
    const found = frames(message);
    expect(found.map((frame) => frame.length)).toEqual(lengths);
    expect(found.map((frame) => frame.final)).toEqual(lengths.map((_, i) => i === lengths.length - 1));
    expect(found.map((frame) => frame.sequence)).toEqual(lengths.map((_, i) => i + 1));
    const entry = 6 + sampleEntry.providerId.length + sampleEntry.providerInfo.length + sampleEntry.ciphertext.length;
    expect(message.length).toBe(132 + entry + sampleContext.serialized.length + 32 * (lengths.length - 1) + size);
    expect(open(message).equals(plaintext)).toBe(true);
  });

  it('gives every message an id of its own', () => {
    const ids = new Set(Array.from({ length: 2000 }, () => write(nothing).toString('hex', 3, 35)));
    expect(ids.size).toBe(2000);
    expect([...ids].every((id) => !id.includes('00'.repeat(8)))).toBe(true);
  });

  it('refuses a data key of another length', () => {
    using dataKey = sampleDataKey(16);
    const request = { dataKey, entries: [sampleEntry], context: sampleContext, plaintext: nothing };
    expect(() => encryptMessage({ ...request, associatedData: nothing })).toThrow(RangeError);
  });

  it('refuses no entry and more than sixteen', () => {
    using dataKey = sampleDataKey();
    const request = { dataKey, context: sampleContext, plaintext: nothing, associatedData: nothing };
    const entries = (count: number) => Array.from({ length: count }, () => sampleEntry);
    expect(() => encryptMessage({ ...request, entries: [] })).toThrow(RangeError);
    expect(() => encryptMessage({ ...request, entries: entries(17) })).toThrow(RangeError);
    expect(open(encryptMessage({ ...request, entries: entries(16) }))).toHaveLength(0);
  });

  it('refuses a context that its own reader would refuse, and names the limit', () => {
    const context = EncryptionContext.of([['k', 'v'.repeat(8193 - 7)]]);
    const failure = failureOf(() => write(nothing, nothing, context));
    expect(failure.reason).toBe('CONTEXT_INVALID');
    expect(failure.message).toContain('8193 bytes serialised, the limit is 8192');
  });

  it('throws where context and associated data disagree', () => {
    expect(() => write(nothing, rowId, sampleContext)).toThrow(/disagree/);
    expect(() => write(nothing, nothing, flaggedContext)).toThrow(/disagree/);
    expect(() => write(nothing, rowId, EncryptionContext.of([['keyproxy-ad', '2']]))).toThrow(/disagree/);
  });

  it('leaves its inputs as they were', () => {
    const [plaintext, ad] = [sampleBytes(70_000), Buffer.from(rowId)];
    write(plaintext, ad);
    expect(plaintext.equals(sampleBytes(70_000))).toBe(true);
    expect(ad).toEqual(rowId);
  });
});

describe('openMessage', () => {
  it('fails under another data key, at the commitment', () => {
    using dataKey = sampleDataKey(32, 'another');
    expect(why(() => open(write(rowId), { dataKey }))).toMatch(/commits to another key/);
  });

  it('fails under a data key of another length', () => {
    using dataKey = sampleDataKey(16);
    expect(why(() => open(write(rowId), { dataKey }))).toMatch(/length of the suite/);
  });

  it('fails where bytes follow, as the first thing it says about a body', () => {
    const message = write(sampleBytes(10));
    expect(why(() => open(Buffer.concat([message, Buffer.alloc(1)])))).toMatch(/bytes follow/);
  });

  it('fails where frames are exchanged, repeated or missing', () => {
    const message = write(sampleBytes(3 * kib64));
    const [first, second, last] = frames(message);
    if (first === undefined || second === undefined || last === undefined) throw new Error('three frames were due');
    const head = message.subarray(0, first.at);
    const [one, two] = [message.subarray(first.at, second.at), message.subarray(second.at, last.at)];
    const three = message.subarray(last.at);
    expect(open(Buffer.concat([head, one, two, three]))).toHaveLength(3 * kib64);
    for (const body of [
      [two, one, three],
      [one, one, two, three],
      [one, three],
      [two, three],
      [three],
      [one, two],
      [],
    ]) {
      expect(why(() => open(Buffer.concat([head, ...body])))).toMatch(/out of sequence|end in the middle/);
    }
  });

  it('fails where it is cut after any frame and closed with a forged empty final frame', () => {
    const message = write(sampleBytes(3 * kib64 + 7));
    const all = frames(message);
    expect(all).toHaveLength(4);
    for (const [index, { at }] of all.entries()) {
      const forged = Buffer.alloc(40, 0xab);
      forged.writeUInt32BE(0xffffffff, 0);
      forged.writeUInt32BE(index + 1, 4);
      forged.writeUInt32BE(0, 20);
      const cut = Buffer.concat([message.subarray(0, at), forged]);
      expect(why(() => open(cut))).toMatch(/tag of a frame does not match/);
    }
  });

  it('fails with any bit of its final frame changed, where that one is small or empty', () => {
    for (const length of [kib64 + 3, 2 * kib64 + 1]) {
      const message = write(sampleBytes(length));
      const last = frames(message).at(-1)?.at ?? 0;
      for (let bit = last * 8; bit < message.length * 8; bit++) {
        const changed = Buffer.from(message);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(failureOf(() => open(changed)).reason).toBe('DECRYPT_FAILED');
      }
    }
  });

  it('fails with more frames than are opened at once, whoever wrote them', () => {
    const [head, frame] = [write(nothing), Buffer.alloc(4 + 12 + 1 + 16)];
    const header = parseHeader(head, { maxEncryptedDataKeys: 16 });
    // The header's tag passes with the frame length that is in it, so the frames are given by hand.
    const body = Array.from({ length: 4097 }, (_, index) => {
      const numbered = Buffer.from(frame);
      numbered.writeUInt32BE(index + 1, 0);
      return numbered;
    });
    const message = Buffer.concat([head.subarray(0, header.bodyOffset), ...body]);
    expect(why(() => open(message, { header: { ...header, frameLength: 1 } }))).toMatch(/more frames/);
  });

  it('fails where two frames trade their content but keep their numbers', () => {
    const message = write(sampleBytes(2 * kib64 + 1));
    const [first, second] = frames(message);
    if (first === undefined || second === undefined) throw new Error('two frames were due');
    const changed = Buffer.from(message);
    message.copy(changed, first.at + 4, second.at + 4, second.at + 32 + kib64);
    message.copy(changed, second.at + 4, first.at + 4, first.at + 32 + kib64);
    expect(why(() => open(changed))).toMatch(/tag of a frame/);
  });

  it('fails where a final frame says that it is longer than a frame', () => {
    const message = write(sampleBytes(10));
    message.writeUInt32BE(kib64 + 1, message.length - 16 - 10 - 4);
    expect(why(() => open(message))).toMatch(/longer than the frame length/);
  });

  it('fails at the header tag where the context is changed', () => {
    const message = write(sampleBytes(10));
    message.write('O', message.indexOf('orders'));
    expect(why(() => open(message))).toMatch(/tag of the header/);
  });

  it('checks pairs that are required without being stored', () => {
    const requiredContext = EncryptionContext.of([['region', 'eu']]);
    expect(why(() => open(write(rowId), { requiredContext }))).toMatch(/tag of the header/);
    expect(open(write(rowId), { requiredContext: EncryptionContext.of([]) })).toEqual(rowId);
  });
});

describe('associated data', () => {
  it('opens the message that it was bound to', () => {
    const message = write(sampleBytes(100), rowId);
    expect(open(message, { associatedData: rowId })).toEqual(sampleBytes(100));
    expect(message.includes(rowId)).toBe(false);
  });

  it('fails where it is other, missing, or given without need', () => {
    const message = write(sampleBytes(100), rowId);
    expect(why(() => open(message, { associatedData: Buffer.from('row-18') }))).toMatch(/other associated data/);
    expect(why(() => open(message))).toMatch(/needs its associated data/);
    expect(why(() => open(write(nothing), { associatedData: rowId }))).toMatch(/binds no associated data/);
  });

  it('binds every byte, whatever the length', () => {
    for (const length of [1, 16, 64, 5000]) {
      const ad = sampleBytes(length, 'ad');
      const message = write(rowId, ad);
      expect(open(message, { associatedData: ad })).toEqual(rowId);
      const changed = Buffer.from(ad).fill((ad.at(-1) ?? 0) ^ 1, length - 1);
      expect(why(() => open(message, { associatedData: changed }))).toMatch(/other associated data/);
      const longer = Buffer.concat([ad, Buffer.alloc(1)]);
      expect(why(() => open(message, { associatedData: longer }))).toMatch(/other associated data/);
    }
  });

  it('fails where the flag has another value, although everything else is right', () => {
    const context = EncryptionContext.of([...sampleContext.pairs, ['keyproxy-ad', '2']]);
    const message = foreignMessage({ suite: 0x0478, context, ad: rowId });
    expect(why(() => open(message, { associatedData: rowId }))).toMatch(/unknown value/);
    expect(why(() => open(message))).toMatch(/unknown value/);
  });

  it('fails where the suite is not the one that keyproxy writes, although the flag is there', () => {
    const message = foreignMessage({ suite: 0x0178, context: flaggedContext, ad: rowId });
    expect(why(() => open(message, { associatedData: rowId }))).toMatch(/this suite binds no/);
    expect(why(() => open(message))).toMatch(/needs its associated data/);
  });

  it('opens what another writer made of the same formulas', () => {
    const message = foreignMessage({ suite: 0x0478, context: flaggedContext, ad: rowId });
    expect(open(message, { associatedData: rowId }).toString()).toBe('foreign');
  });
});

/** A message as a writer would make it that knows the formulas and does not keep keyproxy's rules. */
function foreignMessage({ suite, context, ad }: { suite: 0x0478 | 0x0178; context: EncryptionContext; ad: Buffer }) {
  const dek = sampleBytes(32, 'data key');
  const content = Buffer.from('foreign');
  const hkdf = (hash: string, salt: Buffer, info: Buffer) => Buffer.from(hkdfSync(hash, dek, salt, info, 32));
  const r = sampleBytes(16, 'r');
  const adKey = hkdf('sha512', nothing, Buffer.from('keyproxy/v1/associated-data'));
  const tag = createHmac('sha256', adKey).update(r).update(ad).digest().subarray(0, 16);
  const committing = suite === 0x0478;
  const id = committing ? Buffer.concat([r, tag]) : r;
  const suiteBytes = Buffer.of(suite >> 8, suite & 255);
  const key = committing
    ? hkdf('sha512', id, Buffer.concat([suiteBytes, Buffer.from('DERIVEKEY')]))
    : hkdf('sha256', nothing, Buffer.concat([suiteBytes, id]));
  const lead = Buffer.concat([Buffer.from(committing ? '02' : '0180', 'hex'), suiteBytes, id]);
  const lp = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
  const entry = [sampleEntry.providerId, sampleEntry.providerInfo, sampleEntry.ciphertext].map(lp);
  const tail = committing ? Buffer.from('0200001000', 'hex') : Buffer.from('02000000000c00001000', 'hex');
  const commitment = committing ? [hkdf('sha512', id, Buffer.from('COMMITKEY'))] : [];
  const header = Buffer.concat([lead, lp(context.serialized), Buffer.of(0, 1), ...entry, tail, ...commitment]);
  const gcm = (iv: Buffer, aad: Buffer, bytes: Buffer) => {
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
    return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  };
  const iv = Buffer.from('000000000000000000000001', 'hex');
  const counts = Buffer.from('00000001000000000000000'.concat(content.length.toString(16)), 'hex');
  const aad = Buffer.concat([id, Buffer.from('AWSKMSEncryptionClient Final Frame'), counts]);
  const start = Buffer.from(`ffffffff00000001${iv.toString('hex')}0000000${content.length}`, 'hex');
  const headerAuth = [committing ? nothing : Buffer.alloc(12), gcm(Buffer.alloc(12), header, nothing)];
  return Buffer.concat([header, ...headerAuth, start, gcm(iv, aad, content)]);
}
