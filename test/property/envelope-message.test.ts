/** Messages under arbitrary input: the codec loses nothing, and no change goes unnoticed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthPrefixed } from '../../src/base/bytes.ts';
import { serializeEntries } from '../../src/base/encrypted-data-key.ts';
import { openMessage } from '../../src/envelope/decrypt.ts';
import { encryptMessage } from '../../src/envelope/encrypt.ts';
import { type MessageHeader, parseHeader } from '../../src/envelope/header.ts';
import { bytes, context, damages, entries, everyFlip } from '../support/envelope-arbitraries.ts';
import { prepareVector } from '../support/esdk-keyring.ts';
import { vectorFile, vectors } from '../support/esdk-vectors.ts';
import { failureOf } from '../support/failure-of.ts';
import { flaggedContext, nothing, sampleBytes, sampleContext, sampleDataKey } from '../support/sample-message.ts';

const limits = { maxEncryptedDataKeys: 16 };
const wide = { maxEncryptedDataKeys: 0xffff, maxContextBytes: 0xffff };

function writeHeader(header: MessageHeader, contextBytes: Buffer): Buffer {
  const v1 = header.version === 1;
  const content = Buffer.of(header.contentType === 'framed' ? 2 : 1, ...(v1 ? [0, 0, 0, 0, 12] : []), 0, 0, 0, 0);
  content.writeUInt32BE(header.frameLength, content.length - 4);
  return Buffer.concat([
    Buffer.of(header.version, ...(v1 ? [0x80] : []), header.suite.id >> 8, header.suite.id & 255),
    header.messageId,
    lengthPrefixed(contextBytes),
    Buffer.of(header.entries.length >> 8, header.entries.length & 255),
    serializeEntries(header.entries),
    content,
    ...(header.commitment === undefined ? [] : [header.commitment]),
    ...(v1 ? [header.iv] : []),
    header.tag,
  ]);
}

function open(message: Buffer, associatedData: Uint8Array = nothing): Buffer {
  using dataKey = sampleDataKey();
  return openMessage({ message, header: parseHeader(message, limits), dataKey, associatedData });
}

describe('a message', () => {
  it('comes back, whatever its parts', () => {
    fc.assert(
      fc.property(entries, context, bytes(300), (list, pairs, plaintext) => {
        using dataKey = sampleDataKey();
        const request = { dataKey, entries: list, context: pairs, plaintext, associatedData: nothing };
        const message = encryptMessage(request);
        const header = parseHeader(message, limits);
        expect(header.entries).toEqual(list);
        expect(header.context.equals(pairs)).toBe(true);
        expect(openMessage({ message, header, dataKey, associatedData: nothing })).toEqual(plaintext);
        expect(writeHeader(header, header.context.serialized)).toEqual(message.subarray(0, header.bodyOffset));
      }),
    );
  });

  it('has a header that encodes back to the bytes that it was read from', () => {
    const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array));
    const shape = fc.constantFrom('0200000001', '02ffffffff', '0100000000', '0200010000');
    fc.assert(
      fc.property(id, context, entries, shape, bytes(4), (messageId, pairs, list, content, junk) => {
        const count = Buffer.of(0, list.length);
        const lead = [Buffer.from('020478', 'hex'), messageId, lengthPrefixed(pairs.serialized), count];
        const rest = [serializeEntries(list), Buffer.from(content, 'hex'), sampleBytes(48), junk];
        const message = Buffer.concat([...lead, ...rest]);
        const header = parseHeader(message, wide);
        const again = writeHeader(header, header.context.serialized);
        expect(again).toEqual(message.subarray(0, header.bodyOffset));
      }),
    );
  });

  it('fails with every single bit changed', () => {
    using dataKey = sampleDataKey();
    const list = [{ providerId: Buffer.from('p'), providerInfo: Buffer.from('i'), ciphertext: Buffer.from('c') }];
    const rowId = Buffer.from('row-17');
    const plaintext = Buffer.from('short');
    for (const associatedData of [nothing, rowId]) {
      const pairs = associatedData === nothing ? sampleContext : flaggedContext;
      const message = encryptMessage({ dataKey, entries: list, context: pairs, plaintext, associatedData });
      expect(open(message, associatedData)).toEqual(plaintext);
      for (const bad of everyFlip(message)) {
        expect(failureOf(() => open(bad, associatedData)).reason).toBe('DECRYPT_FAILED');
      }
      for (let length = 0; length < message.length; length++) {
        expect(failureOf(() => open(message.subarray(0, length), associatedData)).reason).toBe('DECRYPT_FAILED');
      }
    }
  });

  it('fails with any bit changed, any cut and any tail, over several frames', () => {
    using dataKey = sampleDataKey();
    const list = [{ providerId: Buffer.from('p'), providerInfo: Buffer.from('i'), ciphertext: sampleBytes(100) }];
    const plaintext = sampleBytes(2 * 64 * 1024 + 500);
    const request = { dataKey, entries: list, context: sampleContext, plaintext, associatedData: nothing };
    const message = encryptMessage(request);
    expect(open(message).equals(plaintext)).toBe(true);
    fc.assert(
      fc.property(damages(message), (bad) => {
        expect(failureOf(() => open(bad)).reason).toBe('DECRYPT_FAILED');
      }),
    );
  });

  it('is refused where it is random bytes', () => {
    const start = fc.constantFrom('', '02', '020478', '0180', '01800178').map((text) => Buffer.from(text, 'hex'));
    fc.assert(
      fc.property(start, bytes(400), (head, tail) => {
        expect(failureOf(() => open(Buffer.concat([head, tail]))).reason).toBe('DECRYPT_FAILED');
      }),
      { numRuns: 1000 },
    );
  });

  it('is not believed about any length: 0xffff and 0xffffffff at every offset, in little memory and time', () => {
    using dataKey = sampleDataKey();
    const list = [{ providerId: Buffer.from('p'), providerInfo: Buffer.from('i'), ciphertext: sampleBytes(20) }];
    const request = {
      dataKey,
      entries: list,
      context: sampleContext,
      plaintext: sampleBytes(40),
      associatedData: nothing,
    };
    const message = encryptMessage(request);
    const before = process.memoryUsage().arrayBuffers;
    let tried = 0;
    for (const lie of [Buffer.alloc(2, 0xff), Buffer.alloc(4, 0xff), Buffer.alloc(8, 0xff)]) {
      for (let at = 0; at + lie.length <= message.length; at++) {
        const bad = Buffer.from(message);
        bad.set(lie, at);
        if (bad.equals(message)) continue;
        tried++;
        expect(failureOf(() => openMessage({ ...request, message: bad, header: parseHeader(bad, wide) })).reason).toBe(
          'DECRYPT_FAILED',
        );
      }
    }
    expect(tried).toBeGreaterThan(700);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('an official message', () => {
  const opening = vectors.filter((vector) => vector.expect === 'ok');

  it('has a header that encodes back to the bytes that it was read from', () => {
    expect(vectors).toHaveLength(294);
    for (const vector of vectors) {
      const { message, header } = prepareVector(vector);
      const contextAt = header.version === 1 ? 20 : 35;
      const stored = message.subarray(contextAt + 2, contextAt + 2 + message.readUInt16BE(contextAt));
      expect(writeHeader(header, stored).equals(message.subarray(0, header.bodyOffset))).toBe(true);
    }
  });

  it('fails with any bit changed, any cut and any tail, whatever its suite', () => {
    const damaged = fc
      .constantFrom(...opening)
      .chain((vector) => damages(vectorFile(vector.ciphertext)).map((bad) => ({ vector, bad })));
    fc.assert(
      fc.property(damaged, ({ vector, bad }) => {
        const run = () => {
          const request = prepareVector(vector, bad);
          using _key = request.dataKey;
          return openMessage(request);
        };
        expect(failureOf(run).reason).toBe('DECRYPT_FAILED');
      }),
      { numRuns: 600 },
    );
  });
});
