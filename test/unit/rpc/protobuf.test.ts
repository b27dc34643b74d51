/** The wire format, byte by byte: what is taken, what is read past, and what is malformed. */
import { describe, expect, it } from 'vitest';
import { encryptRequest, generateDekRequest, rewrapRequest } from '../../../src/rpc/keyproxy-messages.ts';
import {
  bytes,
  message,
  number,
  repeated,
  repeatedBytes,
  repeatedString,
  string,
} from '../../../src/rpc/protobuf/fields.ts';
import { Message } from '../../../src/rpc/protobuf/message.ts';
import { varintSize, WireReader, WireWriter } from '../../../src/rpc/protobuf/wire.ts';
import { failureOf } from '../../support/failure-of.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ten = 'ff ff ff ff ff ff ff ff ff';
const nested = (depth: number) => `${'7b '.repeat(depth)}${'7c '.repeat(depth)}`;

describe('a message is malformed where', () => {
  it.each<[string, string]>([
    ['a tag is cut', '80'],
    ['a field has no value', '0a'],
    ['a string runs over the end', '0a 05 61'],
    ['bytes claim four gigabytes', '12 ff ff ff ff 0f'],
    ['a length has more than 32 bits', '12 81 80 80 80 10 61'],
    ['a length goes on for ever', `12 ${ten} ff ff`],
    ['a field has the number 0', '02 01 61'],
    ['a varint has 11 bytes', `78 ${ten} ff 01`],
    ['a varint is cut', '78 ff'],
    ['eight bytes are cut', '79 00 00 00 00 00 00 00'],
    ['four bytes are cut', '7d 00 00 00'],
    ['a group ends that did not begin', '7c'],
    ['a group does not end', '7b 08 01'],
    ['a group ends as another', '7b 74'],
    ['groups are nested too deep', nested(17)],
    ['a field has the wire type 6', '7e'],
    ['a field has the wire type 7', '7f'],
    ['a string is not UTF-8', '0a 01 ff'],
    ['a string holds an overlong form', '0a 02 c0 80'],
    ['a string holds half a surrogate pair', '0a 03 ed a0 80'],
    ['a key of a map is not UTF-8', '1a 05 0a 01 ff 12 00'],
    ['a value of a map is not UTF-8', '1a 05 0a 00 12 01 ff'],
    ['a map has the same key twice', '1a 03 0a 01 61 1a 06 0a 01 61 12 01 62'],
    ['a map has an empty key twice, once by leaving it out', '1a 00 1a 02 0a 00'],
    ['an entry of a map runs over its own end', '1a 02 0a 05 61 61 61 61 61'],
  ])('%s', (_name, text) => {
    const failure = failureOf(() => encryptRequest.decode(hex(text)));
    expect(failure.reason).toBe('REQUEST_MALFORMED');
    expect(failure.message).toMatch(/^the request is not a valid message of its type: [a-z].*[^.]$/);
  });
});

describe('a message is read', () => {
  it('that is empty: every field has its default', () => {
    const nothing = Buffer.alloc(0);
    expect(encryptRequest.decode(nothing)).toEqual({
      tenantId: '',
      plaintext: nothing,
      encryptionContext: new Map(),
      associatedData: nothing,
    });
    expect(rewrapRequest.decode(nothing).ciphertext).toBeUndefined();
  });

  it.each<[string, string]>([
    ['a varint of ten bytes', `78 ${ten} 01`],
    ['eight bytes', '79 01 02 03 04 05 06 07 08'],
    ['bytes', '7a 03 01 02 03'],
    ['four bytes', '7d 01 02 03 04'],
    ['a group with fields of every kind', `7b 08 01 11 00 00 00 00 00 00 00 00 1a 01 61 25 00 00 00 00 7c`],
    ['sixteen groups in each other', nested(16)],
    ['the largest field number', 'fa ff ff ff 0f 01 61'],
    ['a known field of another wire type', '08 05'],
    ['a known map of another wire type', '18 05'],
  ])('past an unknown field: %s', (_name, text) => {
    const decoded = encryptRequest.decode(hex(`${text} 0a 01 61 ${text}`));
    expect(decoded.tenantId).toBe('a');
    expect(decoded.encryptionContext.size).toBe(0);
  });

  it('with the last of several values of one field', () => {
    expect(encryptRequest.decode(hex('0a 01 61 0a 01 62')).tenantId).toBe('b');
  });

  it('with an entry of a map that leaves key or value out', () => {
    expect(encryptRequest.decode(hex('1a 00')).encryptionContext).toEqual(new Map([['', '']]));
    expect(encryptRequest.decode(hex('1a 03 12 01 62')).encryptionContext).toEqual(new Map([['', 'b']]));
  });

  it('with names in a map that mean something to JavaScript', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const encoded = encryptRequest.encode({ encryptionContext: new Map(names.map((name) => [name, 'x'])) });
    const { encryptionContext } = encryptRequest.decode(encoded);
    expect([...encryptionContext.keys()]).toEqual(names);
  });

  it.each<[string, number]>([
    ['18 01', 1],
    ['18 80 01', 128],
    ['18 81 00', 1],
    ['18 ff ff ff ff 0f', 2 ** 32 - 1],
    [`18 ${ten} 01`, 2 ** 32 - 1],
    ['18 80 80 80 80 10', 0],
  ])('with the number %s as %i, cut to 32 bits', (text, value) => {
    expect(generateDekRequest.decode(hex(text)).source).toBe(value);
  });

  it('with bytes that are views of it, not copies', () => {
    const encoded = encryptRequest.encode({ plaintext: Buffer.from('text') });
    expect(encryptRequest.decode(encoded).plaintext.buffer).toBe(encoded.buffer);
  });

  it('with both members of a choice where both are there: the verb refuses that', () => {
    const decoded = rewrapRequest.decode(hex('12 01 61 1a 00'));
    expect([decoded.wrappedDek, decoded.ciphertext]).toEqual([Buffer.from('a'), Buffer.alloc(0)]);
  });

  it('with ten thousand repeated values in time in proportion', () => {
    const list = new Message({ item: repeatedBytes(1), name: repeatedString(2) });
    const item = Array.from({ length: 10_000 }, (_, i) => Buffer.from(`${i}`));
    expect(list.decode(list.encode({ item, name: ['a', ''] }))).toEqual({ item, name: ['a', ''] });
  });
});

describe('a message is written', () => {
  it('without what is default, and with a chosen member that is empty', () => {
    expect(encryptRequest.encode({ tenantId: '', plaintext: Buffer.alloc(0) })).toHaveLength(0);
    expect(rewrapRequest.encode({ ciphertext: Buffer.alloc(0) })).toEqual(hex('1a 00'));
    expect(generateDekRequest.encode({ source: 0, withoutPlaintext: false })).toHaveLength(0);
  });

  it('in the order of its table', () => {
    const encoded = encryptRequest.encode({
      associatedData: Buffer.of(9),
      encryptionContext: new Map([['k', 'ü']]),
      plaintext: Buffer.of(1, 2),
      tenantId: 'a',
    });
    expect(encoded).toEqual(hex('0a 01 61 12 02 01 02 1a 07 0a 01 6b 12 02 c3 bc 22 01 09'));
  });

  it('with messages in messages, empty ones included', () => {
    const inner = new Message({ text: string(1) });
    const outer = new Message({ one: message(1, inner), many: repeated(2, inner), id: number(20), rest: bytes(2047) });
    const encoded = outer.encode({ one: {}, many: [{ text: 'a' }, {}], id: 300, rest: Buffer.of(1) });
    expect(encoded).toEqual(hex('0a 00 12 03 0a 01 61 12 00 a0 01 ac 02 fa 7f 01 01'));
    expect(outer.decode(encoded)).toEqual({
      one: { text: '' },
      many: [{ text: 'a' }, { text: '' }],
      id: 300,
      rest: Buffer.of(1),
    });
  });
});

describe('varints', () => {
  it.each<[number, string]>([
    [0, '00'],
    [127, '7f'],
    [128, '80 01'],
    [2 ** 32 - 1, 'ff ff ff ff 0f'],
    [2 ** 32, '80 80 80 80 10'],
    [Number.MAX_SAFE_INTEGER, 'ff ff ff ff ff ff ff 0f'],
  ])('%i is written as %s', (value, text) => {
    const expected = hex(text);
    const bytes = Buffer.alloc(varintSize(value));
    new WireWriter(bytes, 0).varint(value);
    expect(bytes).toEqual(expected);
    const reader = new WireReader(expected);
    expect(reader.uint32()).toBe(value % 2 ** 32);
    expect(reader.done).toBe(true);
  });
});
