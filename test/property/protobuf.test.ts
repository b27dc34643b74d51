/** The codec against protobufjs, on every message of the service, in both directions, and on bytes of any kind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../src/base/errors.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { readDescriptors } from '../../src/rpc/descriptors.ts';
import * as messages from '../../src/rpc/keyproxy-messages.ts';
import type { Message } from '../../src/rpc/protobuf/message.ts';
import { descriptorBytes, type FieldFacts, fieldsOf, fromFiles, methodOf } from '../unit/rpc/proto-files.ts';

interface Codec {
  encode(value: object): Buffer;
  decode(bytes: Buffer): object;
}

/** A table as something that takes and gives plain values. */
function ours<S extends Record<string, never>>(table: unknown): Codec {
  const known = table as Message<S>;
  return { encode: (value) => known.encode(value), decode: (bytes) => known.decode(bytes) };
}

function theirs(method: string, side: 'request' | 'response'): Codec {
  const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = methodOf(
    'keyproxy.v1.KeyProxy',
    method,
  );
  return side === 'request'
    ? { encode: requestSerialize, decode: requestDeserialize }
    : { encode: responseSerialize, decode: responseDeserialize };
}

const verbs = [
  ['GenerateDEK', messages.generateDekRequest, messages.generateDekResponse],
  ['Unwrap', messages.unwrapRequest, messages.unwrapResponse],
  ['Encrypt', messages.encryptRequest, messages.encryptResponse],
  ['Decrypt', messages.decryptRequest, messages.decryptResponse],
  ['Rewrap', messages.rewrapRequest, messages.rewrapResponse],
  ['DescribeTenant', messages.describeTenantRequest, messages.describeTenantResponse],
] as const;
const cases = verbs.flatMap(([name, request, response]) => [
  { name: `${name}Request`, own: ours(request), other: theirs(name, 'request') },
  { name: `${name}Response`, own: ours(response), other: theirs(name, 'response') },
]);

// protobufjs sets what a map names on a plain object, where this one name means something else.
const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => value !== '__proto__');
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const uint32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1), fc.nat());

/** Values of one field, as both sides would write them down: `null` for an absent message. */
function valuesFor({ type, isRepeated, fields }: FieldFacts): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return text;
    case 'bytes':
      return bytes;
    case 'bool':
      return fc.boolean();
    case 'map':
      return fc.dictionary(text, text, { maxKeys: 5, noNullPrototype: true });
    case 'message': {
      const one = messageOf(fields);
      return isRepeated ? fc.array(one, { maxLength: 4 }) : fc.option(one);
    }
    case 'enum':
      return fc.constantFrom(0, 1, 2);
    case 'int32':
      return fc.nat({ max: 999_999_999 });
    default:
      return uint32;
  }
}

function messageOf(fields: readonly FieldFacts[]): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesFor(field)])));
}

const isRewrap = (name: string) => name.startsWith('Rewrap');

/** One member of a choice at most, as the file has it; which of the two falls away depends on a byte of them. */
function chosen(name: string, value: Record<string, unknown>): Record<string, unknown> {
  if (!isRewrap(name)) return value;
  const { wrappedDek, ciphertext, ...rest } = value as { wrappedDek: Buffer; ciphertext: Buffer };
  const choice = (wrappedDek.length + ciphertext.length) % 3;
  if (choice === 0) return rest;
  return choice === 1 ? { ...rest, wrappedDek } : { ...rest, ciphertext };
}

/** What keyproxy's side takes for a value that is written down plainly. */
function toOwn(value: unknown, field?: FieldFacts): unknown {
  if (value === null || value === undefined) return undefined;
  if (Buffer.isBuffer(value)) return value;
  if (field?.type === 'map') return new Map(Object.entries(value));
  if (Array.isArray(value)) return value.map((each) => toOwn(each));
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toOwn(each)]));
  return value;
}

/** What keyproxy's side gave, written down plainly. */
function fromOwn(value: unknown): unknown {
  if (value instanceof SecretBytes) return Buffer.from(value.reveal());
  if (value instanceof Map) return Object.fromEntries(value);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(fromOwn);
  if (typeof value === 'object' && value !== null) return tidy(value, fromOwn);
  return value;
}

/** The properties that are there; bytes as hex, so that all kinds of buffers compare. */
function tidy(value: object, each: (value: unknown) => unknown): Record<string, unknown> {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, each(item)]));
}

function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === 'object' && value !== null ? tidy(value, plain) : value;
}

describe.each(cases)('$name', ({ name, own, other }) => {
  const fields = fieldsOf(fromFiles, `keyproxy.v1.${name}`);
  const hasSecret = ['GenerateDEKResponse', 'UnwrapResponse'].includes(name);
  const values = messageOf(fields).map((value) => chosen(name, value));
  const mine = (value: Record<string, unknown>): object => {
    const given = Object.fromEntries(fields.map((field) => [field.name, toOwn(value[field.name], field)]));
    const { plaintext } = given;
    return hasSecret && Buffer.isBuffer(plaintext) ? { ...given, plaintext: SecretBytes.copyOf(plaintext) } : given;
  };

  it('is read by protobufjs as it was written here', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(plain(other.decode(own.encode(mine(value))))).toEqual(plain(value));
      }),
    );
  });

  it('is read here as protobufjs wrote it', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(plain(fromOwn(own.decode(Buffer.from(other.encode(value)))))).toEqual(plain(value));
      }),
    );
  });

  it('is refused with a status or read, whatever the bytes', () => {
    const any = fc.oneof(
      bytes,
      fc.tuple(values, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
        const encoded = own.encode(mine(value));
        if (encoded.length > 0) encoded[at % encoded.length] = byte;
        return encoded;
      }),
    );
    fc.assert(
      fc.property(any, (input) => {
        try {
          own.decode(input);
        } catch (error) {
          expect(error).toBeInstanceOf(KeyproxyError);
          expect(KeyproxyError.from(error).reason).toBe('REQUEST_MALFORMED');
        }
      }),
    );
  });
});

describe('readDescriptors', () => {
  it('reads or refuses changed descriptors, and never runs away', () => {
    fc.assert(
      fc.property(fc.nat({ max: descriptorBytes.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const changed = Buffer.from(descriptorBytes);
        changed[at] = byte;
        try {
          readDescriptors(changed);
        } catch (error) {
          expect(KeyproxyError.from(error).reason).toBe('REQUEST_MALFORMED');
        }
      }),
    );
  });
});
