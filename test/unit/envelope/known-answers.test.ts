/**
 * The pinned bytes. Every value of the file is computed twice: by the product, and by the plain formulas below, which
 * use `hkdfSync` and share no code with it.
 */
import { createCipheriv, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openMessage } from '../../../src/envelope/decrypt.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { deriveMessageKeys } from '../../../src/envelope/message-keys.ts';
import { committingSuite } from '../../../src/envelope/suites.ts';
import { parseWrappedDek, serializeWrappedDek, wrapTagMatches } from '../../../src/envelope/wrapped-dek.ts';
import { contextOf, dataKeyOf, entriesOf, hex, knownAnswers } from '../../support/known-answers.ts';

const limits = { maxEncryptedDataKeys: 16 };

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

function u32(value: number): Buffer {
  return Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
}

function prefixed(value: string | Buffer): Buffer {
  return Buffer.concat([u16(Buffer.byteLength(value)), Buffer.from(value)]);
}

function plainSer(pairs: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(pairs).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (names.length === 0) return Buffer.alloc(0);
  const fields = names.flatMap((name) => [prefixed(name), prefixed(pairs[name] ?? '')]);
  return Buffer.concat([u16(names.length), ...fields]);
}

function plainHkdf(key: Buffer, salt: Buffer, info: string | Buffer, length = 32): Buffer {
  return Buffer.from(hkdfSync('sha512', key, salt, info, length));
}

function plainTag(key: Buffer, label: string, data: readonly Buffer[]): Buffer {
  const mac = createHmac('sha256', plainHkdf(key, Buffer.alloc(0), label));
  return mac.update(Buffer.concat(data)).digest().subarray(0, 16);
}

function plainGcm(key: Buffer, iv: Buffer, { aad, content }: { aad: Buffer; content: Buffer }): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

describe('the known answers', () => {
  it('cover every construction', () => {
    const counts = Object.entries(knownAnswers).flatMap(([name, list]) => (Array.isArray(list) ? [name] : []));
    expect(counts.sort()).toEqual(
      ['associatedData', 'contexts', 'derivedDeks', 'messageKeys', 'messages', 'wrappedDeks'].sort(),
    );
    expect(knownAnswers.wrappedDeks.map(({ kind }) => kind)).toEqual([1, 1, 1, 1, 2, 2, 3]);
  });

  it.each(knownAnswers.contexts)('hold for the context $pairs', ({ pairs, serialized }) => {
    expect(contextOf(pairs).serialized.toString('hex')).toBe(serialized);
    expect(plainSer(pairs).toString('hex')).toBe(serialized);
  });

  it.each(knownAnswers.messageKeys)('hold for the keys of message $messageId', (answer) => {
    const [dek, id] = [hex(answer.dek), hex(answer.messageId)];
    using dataKey = dataKeyOf(answer.dek);
    const keys = deriveMessageKeys(dataKey, committingSuite, id);
    expect(keys.commitment?.toString('hex')).toBe(answer.commitment);
    expect(keys.contentKey.export().toString('hex')).toBe(answer.contentKey);
    expect(plainHkdf(dek, id, 'COMMITKEY').toString('hex')).toBe(answer.commitment);
    expect(plainHkdf(dek, id, '\x04\x78DERIVEKEY').toString('hex')).toBe(answer.contentKey);
  });

  it.each(knownAnswers.derivedDeks)('hold for a derived DEK of $length bytes for $tenantId', (answer) => {
    using root = dataKeyOf(answer.root);
    const { length, tenantId, context } = answer;
    using derived = root.derive(hex(answer.salt), length, tenantId, contextOf(context));
    const info = [Buffer.from('keyproxy/v1/derived-dek'), Buffer.of(length), prefixed(tenantId), plainSer(context)];
    expect(derived.reveal().toString('hex')).toBe(answer.derived);
    const plain = plainHkdf(hex(answer.root), hex(answer.salt), Buffer.concat(info), length);
    expect(plain.toString('hex')).toBe(answer.derived);
  });

  it.each(knownAnswers.wrappedDeks)('hold for a wrapped DEK of kind $kind and $length bytes', (answer) => {
    using dataKey = dataKeyOf(answer.p);
    const { kind, length, tenantId } = answer;
    const [context, entries, bytes] = [contextOf(answer.context), entriesOf(answer.entries), hex(answer.wrappedDek)];
    const salt = answer.salt === undefined ? {} : { salt: hex(answer.salt) };
    const written = serializeWrappedDek({ kind, length, ...salt, entries, dataKey, tenantId, context });
    expect(written.toString('hex')).toBe(answer.wrappedDek);
    const parsed = parseWrappedDek(bytes, limits);
    expect(parsed).toMatchObject({ kind, length, entries, tag: hex(answer.tag) });
    expect(parsed.salt?.toString('hex')).toBe(answer.salt);
    expect(wrapTagMatches(parsed, dataKey, tenantId, context)).toBe(true);
    const signed = [bytes.subarray(0, -16), prefixed(tenantId), plainSer(answer.context)];
    expect(plainTag(hex(answer.p), 'keyproxy/v1/wrap-tag', signed).toString('hex')).toBe(answer.tag);
  });

  it.each(knownAnswers.associatedData)('hold for the message id $messageId', (answer) => {
    using dataKey = dataKeyOf(answer.dek);
    const [r, ad] = [hex(answer.r), hex(answer.associatedData)];
    expect(answer.r + dataKey.associatedDataTag(r, ad).toString('hex')).toBe(answer.messageId);
    const plain = plainTag(hex(answer.dek), 'keyproxy/v1/associated-data', [r, ad]);
    expect(answer.r + plain.toString('hex')).toBe(answer.messageId);
  });

  it.each(knownAnswers.messages)('hold for the message $messageId', (answer) => {
    using dataKey = dataKeyOf(answer.dek);
    const message = hex(answer.message);
    const header = parseHeader(message, limits);
    expect(header.context.equals(contextOf(answer.context))).toBe(true);
    expect(header.entries).toEqual(entriesOf(answer.entries));
    const opened = openMessage({ message, header, dataKey, associatedData: hex(answer.associatedData) });
    expect(opened.toString('hex')).toBe(answer.plaintext);
    expect(plainMessage(answer).toString('hex')).toBe(answer.message);
  });
});

/** A message of one frame, written down field by field. */
function plainMessage(answer: (typeof knownAnswers.messages)[number]): Buffer {
  const [dek, id, content] = [hex(answer.dek), hex(answer.messageId), hex(answer.plaintext)];
  const fields = answer.entries.flatMap((entry) => [entry.providerId, entry.providerInfo, entry.ciphertext]);
  const entries = fields.map((field) => prefixed(hex(field)));
  const ec = plainSer(answer.context);
  const lead = [hex('020478'), id, prefixed(ec), u16(answer.entries.length), ...entries];
  const header = Buffer.concat([...lead, hex('02'), u32(65536), plainHkdf(dek, id, 'COMMITKEY')]);
  const key = plainHkdf(dek, id, '\x04\x78DERIVEKEY');
  const label = Buffer.from('AWSKMSEncryptionClient Final Frame');
  const aad = Buffer.concat([id, label, u32(1), u32(0), u32(content.length)]);
  const iv = hex('000000000000000000000001');
  const tag = plainGcm(key, Buffer.alloc(12), { aad: header, content: Buffer.alloc(0) });
  const start = [hex('ffffffff'), u32(1), iv, u32(content.length)];
  return Buffer.concat([header, tag, ...start, plainGcm(key, iv, { aad, content })]);
}
