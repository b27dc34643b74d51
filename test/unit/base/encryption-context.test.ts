/** The encryption context: its one serialised form, and what is refused instead of repaired. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext, isReservedName } from '../../../src/base/encryption-context.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** A serialised context of fields given as bytes, in the order given. */
function raw(count: number, ...fields: readonly (string | Buffer)[]): Buffer {
  const parts = [Buffer.from([count >> 8, count & 0xff])];
  for (const field of fields) {
    const bytes = Buffer.from(field);
    parts.push(Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes);
  }
  return Buffer.concat(parts);
}

describe('EncryptionContext.of', () => {
  it('has no bytes at all for no pairs', () => {
    expect(EncryptionContext.of([]).serialized).toEqual(Buffer.alloc(0));
  });

  it('writes count, lengths and bytes in big-endian order, pairs sorted by key', () => {
    const context = EncryptionContext.of([
      ['this', 'is'],
      ['a', 'ü'],
    ]);
    expect(context.serialized).toEqual(hex('0002 0001 61 0002 c3bc 0004 74686973 0002 6973'));
    expect([...context.pairs]).toEqual([
      ['a', 'ü'],
      ['this', 'is'],
    ]);
  });

  it('takes empty keys and empty values as they are', () => {
    expect(EncryptionContext.of([['', '']]).serialized).toEqual(hex('0001 0000 0000'));
  });

  it('sorts by UTF-8 bytes and not by UTF-16 units: U+FFFD comes before an astral character', () => {
    const astral = '\u{1F511}';
    const replacement = '\uFFFD';
    expect([astral, replacement].sort()).toEqual([astral, replacement]);
    const context = EncryptionContext.of([
      [astral, '1'],
      [replacement, '2'],
      ['z', '3'],
    ]);
    expect([...context.pairs.keys()]).toEqual(['z', replacement, astral]);
  });

  it('sorts a key before every longer key that begins with it', () => {
    const keys = ['ab', 'abc', 'a', 'B', 'aa'];
    expect([...EncryptionContext.of(keys.map((key) => [key, ''])).pairs.keys()]).toEqual(['B', 'a', 'aa', 'ab', 'abc']);
  });

  it.each<[string, [string, string][]]>([
    [
      'a key that occurs twice',
      [
        ['a', '1'],
        ['b', ''],
        ['a', '2'],
      ],
    ],
    ['half a surrogate pair in a key', [['\ud83d', '1']]],
    ['half a surrogate pair in a value', [['a', 'x\udd11']]],
    ['a value of 65,536 bytes', [['a', 'v'.repeat(65_536)]]],
    ['a key of 65,536 bytes', [['k'.repeat(65_536), 'v']]],
    ['a whole of 65,536 bytes', [['a', 'v'.repeat(65_536 - 2 - 4 - 1)]]],
  ])('throws a RangeError for %s', (_name, pairs) => {
    expect(() => EncryptionContext.of(pairs)).toThrow(RangeError);
  });

  it('takes a whole of 65,535 bytes', () => {
    expect(EncryptionContext.of([['a', 'v'.repeat(65_535 - 2 - 4 - 1)]]).serialized).toHaveLength(65_535);
  });
});

describe('EncryptionContext.parse', () => {
  it('reads pairs in any order and serialises them in the one order', () => {
    const parsed = EncryptionContext.parse(raw(2, 'this', 'is', 'a', 'test'));
    expect(parsed?.serialized).toEqual(raw(2, 'a', 'test', 'this', 'is'));
    expect(
      parsed?.equals(
        EncryptionContext.of([
          ['this', 'is'],
          ['a', 'test'],
        ]),
      ),
    ).toBe(true);
  });

  it('keeps a byte order mark: a key with one is another key', () => {
    const parsed = EncryptionContext.parse(raw(2, '\ufeffa', '1', 'a', '2'));
    expect(parsed?.pairs.get('\ufeffa')).toBe('1');
    expect(parsed?.serialized).toHaveLength(raw(2, '\ufeffa', '1', 'a', '2').length);
  });

  it('keeps nothing of the memory it was read from', () => {
    const bytes = raw(1, 'key', 'value');
    const parsed = EncryptionContext.parse(bytes);
    bytes.fill(0);
    expect(parsed?.serialized).toEqual(raw(1, 'key', 'value'));
  });

  it.each<[string, Buffer]>([
    ['one byte', hex('00')],
    ['a count of no pairs', hex('0000')],
    ['a count over the pairs that are there', raw(3, 'a', '1', 'b', '2')],
    ['a count below them', raw(1, 'a', '1', 'b', '2')],
    ['a byte left over', Buffer.concat([raw(1, 'a', '1'), Buffer.of(0)])],
    ['a key that runs over the end', hex('0001 0005 61')],
    ['a value that runs over the end', hex('0001 0001 61 0005 61')],
    ['a length that is cut', hex('0001 0001 61 00')],
    ['a key that occurs twice', raw(2, 'a', '1', 'a', '1')],
    ['a key that is not UTF-8', raw(1, Buffer.of(0xff), '1')],
    ['a value that is not UTF-8', raw(1, 'a', Buffer.of(0xc3))],
    ['an overlong form', raw(1, 'a', Buffer.of(0xc0, 0x80))],
    ['half a surrogate pair', raw(1, 'a', Buffer.of(0xed, 0xa0, 0x80))],
    ['more than a header can hold', raw(2, 'a', 'v'.repeat(60_000), 'b', 'v'.repeat(6_000))],
  ])('refuses %s', (_name, bytes) => {
    expect(EncryptionContext.parse(bytes)).toBeUndefined();
  });
});

describe('EncryptionContext.equals', () => {
  const context = EncryptionContext.of([['a', '1']]);
  it.each<[string, [string, string][], boolean]>([
    ['the same pairs', [['a', '1']], true],
    ['another value', [['a', '2']], false],
    ['another key', [['b', '1']], false],
    [
      'one more pair',
      [
        ['a', '1'],
        ['b', ''],
      ],
      false,
    ],
    ['no pair', [], false],
  ])('compares with %s', (_name, pairs, equal) => {
    expect(context.equals(EncryptionContext.of(pairs))).toBe(equal);
  });
});

describe('isReservedName', () => {
  it.each([
    'tenant_id',
    'Tenant_ID',
    'aws-crypto-public-key',
    'AWS-Crypto-x',
    'keyproxy-ad',
    'KEYPROXY-',
    'aws-crypto-',
  ])('keeps %s for keyproxy, whatever the ASCII case', (name) => expect(isReservedName(name)).toBe(true));

  it.each(['', 'tenant', 'tenant_id2', 'x-aws-crypto-', 'aws-crypt', 'keyproxy', 'ten\u0430nt_id', '\u212aeyproxy-ad'])(
    'leaves %j to callers',
    (name) => expect(isReservedName(name)).toBe(false),
  );
});
