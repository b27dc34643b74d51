/** The kinds of fields that keyproxy's messages have. */
import { SecretBytes } from '../../base/secret.ts';
import { type Field, type Kind, Message, type MessageOf, type Shape, withLength } from './message.ts';
import { malformed, varintSize, wireTypes } from './wire.ts';

const stringKind: Kind<string> = {
  wireType: wireTypes.length,
  absent: () => '',
  read: (reader) => reader.string(),
  size: (value, tagSize) => (value === '' ? 0 : withLength(tagSize, Buffer.byteLength(value))),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.string(value, Buffer.byteLength(value));
  },
};

const nothing = Buffer.alloc(0);

const bytesKind: Kind<Buffer> = {
  wireType: wireTypes.length,
  absent: () => nothing,
  read: (reader) => reader.bytes(),
  size: (value, tagSize) => (value.length === 0 ? 0 : withLength(tagSize, value.length)),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.bytes(value);
  },
};

const choiceKind: Kind<Buffer | undefined> = {
  wireType: wireTypes.length,
  absent: () => undefined,
  read: (reader) => reader.bytes(),
  size: (value, tagSize) => (value === undefined ? 0 : withLength(tagSize, value.length)),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.bytes(value ?? nothing);
  },
};

const secretKind: Kind<SecretBytes | undefined> = {
  wireType: wireTypes.length,
  absent: () => undefined,
  read: (reader) => SecretBytes.copyOf(reader.bytes()),
  size: (value, tagSize) => (value === undefined ? 0 : withLength(tagSize, value.length)),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.bytes(value?.reveal() ?? nothing);
  },
};

const numberKind: Kind<number> = {
  wireType: wireTypes.varint,
  absent: () => 0,
  read: (reader) => reader.uint32(),
  size: (value, tagSize) => (value === 0 ? 0 : tagSize + varintSize(value)),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.varint(value);
  },
};

const boolKind: Kind<boolean> = {
  wireType: wireTypes.varint,
  absent: () => false,
  read: (reader) => reader.uint32() !== 0,
  size: (value, tagSize) => (value ? tagSize + 1 : 0),
  write: (writer, tag, value) => {
    writer.varint(tag);
    writer.varint(value ? 1 : 0);
  },
};

/** An entry of a map is a message of its own: the key is field 1, the value field 2. */
const entryOfMap = new Message({ key: { number: 1, kind: stringKind }, value: { number: 2, kind: stringKind } });

const mapKind: Kind<ReadonlyMap<string, string>> = {
  wireType: wireTypes.length,
  absent: () => new Map(),
  read(reader, sofar) {
    const { key, value } = entryOfMap.read(reader.nested());
    if (sofar.has(key)) malformed('a map has the same key twice');
    // The map is the one that `absent` made for this very message.
    (sofar as Map<string, string>).set(key, value);
    return sofar;
  },
  size(value, tagSize) {
    let size = 0;
    for (const [key, text] of value) size += entryOfMap.kind.size({ key, value: text }, tagSize);
    return size;
  },
  write(writer, tag, value) {
    for (const [key, text] of value) entryOfMap.kind.write(writer, tag, { key, value: text });
  },
};

const entryOfBytesMap = new Message({ key: { number: 1, kind: stringKind }, value: { number: 2, kind: bytesKind } });

const bytesMapKind: Kind<ReadonlyMap<string, Buffer>> = {
  wireType: wireTypes.length,
  absent: () => new Map(),
  read(reader, sofar) {
    const { key, value } = entryOfBytesMap.read(reader.nested());
    if (sofar.has(key)) malformed('a map has the same key twice');
    // The map is the one that `absent` made for this very message.
    (sofar as Map<string, Buffer>).set(key, value);
    return sofar;
  },
  size(value, tagSize) {
    let size = 0;
    for (const [key, bytes] of value) size += entryOfBytesMap.kind.size({ key, value: bytes }, tagSize);
    return size;
  },
  write(writer, tag, value) {
    for (const [key, bytes] of value) entryOfBytesMap.kind.write(writer, tag, { key, value: bytes });
  },
};

function repeatedKind<T>(item: Kind<T | undefined>): Kind<readonly T[]> {
  return {
    wireType: item.wireType,
    absent: () => [],
    read: (reader, sofar) => {
      const value = item.read(reader, undefined);
      // The list is the one that `absent` made for this very message.
      if (value !== undefined) (sofar as T[]).push(value);
      return sofar;
    },
    size: (value, tagSize) => value.reduce((sum, each) => sum + item.size(each, tagSize), 0),
    write: (writer, tag, value) => {
      for (const each of value) item.write(writer, tag, each);
    },
  };
}

const choiceOfStringKind: Kind<string | undefined> = {
  wireType: wireTypes.length,
  absent: () => undefined,
  read: (reader) => reader.string(),
  size: (value, tagSize) => (value === undefined ? 0 : withLength(tagSize, Buffer.byteLength(value))),
  write: (writer, tag, value) => stringKind.write(writer, tag, value ?? ''),
};

/** `string`: valid UTF-8. */
export const string = (number: number): Field<string> => ({ number, kind: stringKind });
/** `bytes`. */
export const bytes = (number: number): Field<Buffer> => ({ number, kind: bytesKind });
/** `bytes` as a member of a oneof: present even where empty. */
export const choiceOfBytes = (number: number): Field<Buffer | undefined> => ({ number, kind: choiceKind });
/** `string` as a member of a oneof: present even where empty. */
export const choiceOfString = (number: number): Field<string | undefined> => ({ number, kind: choiceOfStringKind });
/** `repeated bytes`. */
export const repeatedBytes = (number: number): Field<readonly Buffer[]> => ({ number, kind: repeatedKind(choiceKind) });
/** `repeated string`. */
export const repeatedString = (number: number): Field<readonly string[]> => ({
  number,
  kind: repeatedKind(choiceOfStringKind),
});
/** `bytes` that hold a secret. */
export const secret = (number: number): Field<SecretBytes | undefined> => ({ number, kind: secretKind });
/** `uint32`, an enum, or a `uint64` that stays below 2^53 and is only written. */
export const number = (number: number): Field<number> => ({ number, kind: numberKind });
/** `bool`. */
export const bool = (number: number): Field<boolean> => ({ number, kind: boolKind });
/** `map<string, string>`. */
export const stringMap = (number: number): Field<ReadonlyMap<string, string>> => ({ number, kind: mapKind });
/** `map<string, bytes>`. */
export const bytesMap = (number: number): Field<ReadonlyMap<string, Buffer>> => ({ number, kind: bytesMapKind });
/** A message. */
export const message = <S extends Shape>(
  number: number,
  type: Message<S>,
): Field<Partial<MessageOf<S>> | undefined> => ({ number, kind: type.kind });
/** `repeated` messages. */
export const repeated = <S extends Shape>(
  number: number,
  type: Message<S>,
): Field<readonly Partial<MessageOf<S>>[]> => ({ number, kind: repeatedKind(type.kind) });
