/** Headers: what is read, what is refused, and that no length field is believed. */
import { describe, expect, it } from 'vitest';
import { lengthPrefixed } from '../../../src/base/bytes.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { committingSuite, suitePolicyAllows, suites } from '../../../src/envelope/suites.ts';
import { failureOf } from '../../support/failure-of.ts';

const limits = { maxEncryptedDataKeys: 16 };

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

const entry = Buffer.concat(['aws-kms', 'arn', 'blob'].map((field) => lengthPrefixed(field)));
const publicKey: readonly [string, string] = ['aws-crypto-public-key', 'A'];

/** The fields of a header in their order, each to be replaced by what a test needs. */
interface Parts {
  version: Buffer;
  suite: Buffer;
  id: Buffer;
  context: Buffer;
  entryCount: Buffer;
  entries: Buffer;
  content: Buffer;
  rest: Buffer;
}

function v2(change: Partial<Parts> = {}): Buffer {
  const parts: Parts = {
    version: Buffer.of(2),
    suite: u16(0x0478),
    id: Buffer.alloc(32, 7),
    context: lengthPrefixed(EncryptionContext.of([['a', 'b']]).serialized),
    entryCount: u16(1),
    entries: entry,
    content: Buffer.from('0200001000', 'hex'),
    rest: Buffer.alloc(32 + 16, 9),
    ...change,
  };
  return Buffer.concat(Object.values(parts));
}

function v1(change: Partial<Parts> = {}): Buffer {
  return v2({
    version: Buffer.from('0180', 'hex'),
    suite: u16(0x0178),
    id: Buffer.alloc(16, 7),
    content: Buffer.from('02000000000c00001000', 'hex'),
    rest: Buffer.concat([Buffer.alloc(12, 5), Buffer.alloc(16, 9)]),
    ...change,
  });
}

function why(message: Buffer, over: Partial<Parameters<typeof parseHeader>[1]> = {}): string {
  const failure = failureOf(() => parseHeader(message, { ...limits, ...over }));
  expect(failure).toMatchObject({ reason: 'DECRYPT_FAILED', message: 'decryption failed' });
  return failure.cause instanceof Error ? failure.cause.message : '';
}

describe('parseHeader', () => {
  it('reads a header of version 2', () => {
    const message = Buffer.concat([v2(), Buffer.from('body')]);
    const header = parseHeader(message, limits);
    expect(header).toMatchObject({ version: 2, contentType: 'framed', frameLength: 4096 });
    expect(header.suite).toBe(committingSuite);
    expect(header.messageId).toEqual(Buffer.alloc(32, 7));
    expect(header.context.pairs).toEqual(new Map([['a', 'b']]));
    expect(header.entries.map(({ providerId }) => providerId.toString())).toEqual(['aws-kms']);
    expect(header.entriesBytes).toEqual(entry);
    expect(header.commitment).toEqual(Buffer.alloc(32, 9));
    expect(header.iv).toEqual(Buffer.alloc(12));
    expect(message.subarray(header.bodyOffset).toString()).toBe('body');
    expect(header.authenticated.length + 16).toBe(header.bodyOffset);
  });

  it('reads a header of version 1, with its own IV and no commitment', () => {
    const header = parseHeader(v1(), limits);
    expect(header).toMatchObject({ version: 1, frameLength: 4096, commitment: undefined });
    expect(header.iv).toEqual(Buffer.alloc(12, 5));
    expect(header.tag).toEqual(Buffer.alloc(16, 9));
    expect(header.authenticated.length + 12 + 16).toBe(header.bodyOffset);
  });

  it('reads a non-framed message', () => {
    expect(parseHeader(v2({ content: Buffer.from('0100000000', 'hex') }), limits).contentType).toBe('non-framed');
  });

  it('reads pairs in any order, and no pairs at all', () => {
    const unsorted = Buffer.concat([u16(2), ...['b', '1', 'a', '2'].map((text) => lengthPrefixed(text))]);
    const { context } = parseHeader(v2({ context: lengthPrefixed(unsorted) }), limits);
    expect([...context.pairs]).toEqual([
      ['a', '2'],
      ['b', '1'],
    ]);
    expect(parseHeader(v2({ context: u16(0) }), limits).context.pairs.size).toBe(0);
  });

  const refused: readonly (readonly [string, Buffer, RegExp])[] = [
    ['an empty message', Buffer.alloc(0), /end in the middle/],
    ['another version', v2({ version: Buffer.of(3) }), /neither 1 nor 2/],
    ['base64 text of a message', Buffer.from(v2().toString('base64')), /base64/],
    ['another type', v1({ version: Buffer.from('0181', 'hex') }), /type/],
    ['an unknown suite', v2({ suite: u16(0x0479) }), /unknown/],
    ['a suite of version 1 in version 2', v2({ suite: u16(0x0178) }), /another version/],
    ['a suite of version 2 in version 1', v1({ suite: u16(0x0478) }), /another version/],
    ['a context with a count of zero', v2({ context: lengthPrefixed(u16(0)) }), /malformed/],
    [
      'a context with bytes left over',
      v2({ context: lengthPrefixed(Buffer.from('00010000000000', 'hex')) }),
      /malformed/,
    ],
    [
      'a key that occurs twice',
      v2({ context: lengthPrefixed(Buffer.from('00020001610000000161 0000'.replace(' ', ''), 'hex')) }),
      /malformed/,
    ],
    ['a context that is no UTF-8', v2({ context: lengthPrefixed(Buffer.from('00010001ff0000', 'hex')) }), /malformed/],
    ['a context that runs over the end', v2({ context: u16(0x2000) }), /end in the middle/],
    ['no encrypted data key', v2({ entryCount: u16(0), entries: Buffer.alloc(0) }), /no encrypted data key/],
    [
      'an entry that runs over the end',
      v2({ entries: Buffer.concat([entry.subarray(0, -6), u16(0xffff)]) }),
      /runs over/,
    ],
    ['content type 0', v2({ content: Buffer.from('0000001000', 'hex') }), /content type/],
    ['content type 3', v2({ content: Buffer.from('0300001000', 'hex') }), /content type/],
    ['frames of no length', v2({ content: Buffer.from('0200000000', 'hex') }), /frame length/],
    ['a frame length in a non-framed message', v2({ content: Buffer.from('0100001000', 'hex') }), /frame length/],
    ['reserved bytes that are not zero', v1({ content: Buffer.from('02000000010c00001000', 'hex') }), /reserved/],
    ['another IV length', v1({ content: Buffer.from('02000000001000001000', 'hex') }), /IV length/],
    ['a header that is cut', v2().subarray(0, -1), /end in the middle/],
    ['a signed suite without its public key', v2({ suite: u16(0x0578) }), /public key/],
    [
      'a public key in an unsigned suite',
      v2({ context: lengthPrefixed(EncryptionContext.of([publicKey]).serialized) }),
      /public key/,
    ],
  ];

  it.each(refused)('refuses %s', (_, message, cause) => {
    expect(why(message)).toMatch(cause);
  });

  it('takes 16 entries and refuses the 17th before it reads the first', () => {
    const entries = (count: number) => Buffer.concat(Array.from({ length: count }, () => entry));
    expect(parseHeader(v2({ entryCount: u16(16), entries: entries(16) }), limits).entries).toHaveLength(16);
    expect(why(v2({ entryCount: u16(17), entries: entries(17) }))).toMatch(/more encrypted data keys/);
    expect(why(v2({ entryCount: u16(0xffff), entries: Buffer.alloc(0), content: Buffer.alloc(0) }))).toMatch(/more/);
  });

  it('bounds the context at 8,192 bytes, or where it is told to', () => {
    const sized = (length: number) => lengthPrefixed(EncryptionContext.of([['k', 'v'.repeat(length - 7)]]).serialized);
    expect(parseHeader(v2({ context: sized(8192) }), limits).context.serialized).toHaveLength(8192);
    expect(why(v2({ context: sized(8193) }))).toMatch(/over the limit/);
    const whole = { ...limits, maxContextBytes: 0xffff };
    expect(parseHeader(v2({ context: sized(0xffff) }), whole).context.serialized).toHaveLength(0xffff);
    expect(why(v2({ context: sized(101) }), { maxContextBytes: 100 })).toMatch(/over the limit/);
  });

  it('reads a frame length of four gigabytes without reserving it', () => {
    const { frameLength } = parseHeader(v2({ content: Buffer.from('02ffffffff', 'hex') }), limits);
    expect(frameLength).toBe(0xffffffff);
  });
});

describe('the suites', () => {
  it('are eleven, two of which commit to their key', () => {
    expect(suites.size).toBe(11);
    const allowed = [...suites.values()].filter((suite) => suitePolicyAllows(suite, 'committing'));
    expect(allowed.map((suite) => suite.id)).toEqual([0x0478, 0x0578]);
    expect([...suites.values()].every((suite) => suitePolicyAllows(suite, 'all'))).toBe(true);
  });
});
