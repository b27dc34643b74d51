/** Every message that keyproxy has a table for, beside the same message as protobufjs knows it, with values for both. */
import fc from 'fast-check';
import { SecretBytes } from '../../src/base/secret.ts';
import * as messages from '../../src/rpc/keyproxy-messages.ts';
import type { Message } from '../../src/rpc/protobuf/message.ts';
import { errorInfo, retryInfo, rpcStatus } from '../../src/rpc/status.ts';
import { type FieldFacts, fieldsOf, fromFiles } from '../unit/rpc/proto-files.ts';

/** A value with every field, `null` for a message that is absent; what both sides take once it is made their own. */
export type Plain = Readonly<Record<string, unknown>>;

/** The other implementation. */
export interface Other {
  encode(value: object): Buffer;
  decode(bytes: Buffer): object;
}

export interface Case {
  /** The full name. */
  readonly name: string;
  readonly own: Message<Record<string, never>>;
  readonly other: Other;
  readonly fields: readonly FieldFacts[];
  /** Values of all fields, as the file allows them. */
  readonly values: fc.Arbitrary<Plain>;
}

/** A message of the files as protobufjs reads and writes it; `name` is its full name. */
export function otherOf(name: string): Other {
  const found = fromFiles[name];
  if (found === undefined || !('serialize' in found) || typeof found.serialize !== 'function') {
    throw new Error(`${name} is no message`);
  }
  // What has a serializer is a message's definition; proto-loader's union does not say so to the compiler.
  const { serialize, deserialize } = found as unknown as {
    serialize: (value: object) => Buffer;
    deserialize: (bytes: Buffer) => object;
  };
  return { encode: (value) => Buffer.from(serialize(inSnakeCase(value) as object)), decode: deserialize };
}

/** protobufjs has `google.protobuf.Any` built in, whose one name of two words is no case of ours: `type_url`. */
function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  const isAny = 'typeUrl' in value && 'value' in value;
  if (isAny) return { type_url: value.typeUrl, value: value.value };
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inSnakeCase(each)]));
}

/** `generateDekRequest` stands for `keyproxy.v1.GenerateDEKRequest`. */
function fullName(name: string): string {
  if (name === 'timestamp') return 'google.protobuf.Timestamp';
  const upper = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return `keyproxy.v1.${upper.replace('GenerateDek', 'GenerateDEK')}`;
}

function caseOf(name: string, table: unknown): Case {
  const fields = fieldsOf(fromFiles, name);
  // Tables differ in their shapes alone, and values are made by the facts of the file.
  const own = table as Message<Record<string, never>>;
  return { name, own, other: otherOf(name), fields, values: messageOf(fields).map((value) => chosen(name, value)) };
}

// protobufjs sets what a map names on a plain object, where this one name means something else.
const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => value !== '__proto__');
export const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
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

function messageOf(fields: readonly FieldFacts[]): fc.Arbitrary<Plain> {
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesFor(field)])));
}

/** One member of a choice at most, as the file has it; which of the two falls away depends on their lengths. */
function chosen(name: string, value: Plain): Plain {
  const { wrappedDek, ciphertext, ...rest } = value;
  if (!Buffer.isBuffer(wrappedDek) || !Buffer.isBuffer(ciphertext)) return value;
  if (!name.startsWith('keyproxy.v1.Rewrap')) return value;
  const choice = (wrappedDek.length + ciphertext.length) % 3;
  if (choice === 0) return rest;
  return choice === 1 ? { ...rest, wrappedDek } : { ...rest, ciphertext };
}

/** What keyproxy's side takes for a value that is written down plainly. */
export function toOwn({ name, fields }: Pick<Case, 'name' | 'fields'>, value: Plain): object {
  const own = Object.fromEntries(fields.map((field) => [field.name, fieldToOwn(value[field.name], field)]));
  const { plaintext } = own;
  const isSecret = /\.(GenerateDEK|Unwrap)Response$/.test(name) && Buffer.isBuffer(plaintext);
  return isSecret ? { ...own, plaintext: SecretBytes.copyOf(plaintext) } : own;
}

function fieldToOwn(value: unknown, field?: FieldFacts): unknown {
  if (value === null || value === undefined) return undefined;
  if (Buffer.isBuffer(value)) return value;
  if (field?.type === 'map') return new Map(Object.entries(value));
  if (Array.isArray(value)) return value.map((each) => fieldToOwn(each));
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fieldToOwn(each)]));
  return value;
}

/** What either side gave, or a value, written down so that all of them compare: bytes as hex, absent is left out. */
export function plain(value: unknown): unknown {
  if (value instanceof SecretBytes) return value.reveal().toString('hex');
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const there = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
  return Object.fromEntries(there.map(([key, item]) => [key === 'type_url' ? 'typeUrl' : key, plain(item)]));
}

/** All messages. */
export const cases: readonly Case[] = [
  ...Object.entries(messages).map(([name, table]) => caseOf(fullName(name), table)),
  caseOf('google.rpc.Status', rpcStatus),
  caseOf('google.rpc.ErrorInfo', errorInfo),
  caseOf('google.rpc.RetryInfo', retryInfo),
];
