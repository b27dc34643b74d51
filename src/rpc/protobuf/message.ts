/**
 * Protobuf messages as tables: a field is a name, a number and a kind, and both directions derive from it. A test
 * holds every table against the `.proto` file that it stands for.
 *
 * Stricter than the usual runtimes where it matters here: a string that is not UTF-8 and a map with the same key
 * twice are refused and not repaired, because either would change an encryption context behind its caller's back.
 */
import { bytesOf, type Reply } from '../reply.ts';
import { varintSize, WireReader, WireWriter, wireTypes } from './wire.ts';

/** How one kind of value is read, measured and written. */
export interface Kind<T> {
  readonly wireType: number;
  /** What an absent field means. */
  absent(): T;
  /** Reads one occurrence; `sofar` is what earlier ones of the same message gave. */
  read(reader: WireReader, sofar: T): T;
  /** Bytes of all occurrences, each with its tag of `tagSize` bytes; 0 leaves the field out. */
  size(value: T, tagSize: number): number;
  write(writer: WireWriter, tag: number, value: T): void;
}

/** Bytes of a tag, a length and what it counts. */
export function withLength(tagSize: number, length: number): number {
  return tagSize + varintSize(length) + length;
}

/** A number and a kind. */
export interface Field<T> {
  readonly number: number;
  readonly kind: Kind<T>;
}

/** Names and fields of one message. */
export type Shape = Readonly<Record<string, Field<unknown>>>;

/** The value that a shape stands for. */
export type MessageOf<S> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

interface Slot {
  readonly name: string;
  readonly tag: number;
  readonly tagSize: number;
  readonly kind: Kind<unknown>;
}

/** One message type. */
export class Message<S extends Shape> {
  readonly shape: S;
  readonly #slots: readonly Slot[];
  /** By tag: every field number here is small. */
  readonly #byTag: (Slot | undefined)[] = [];

  constructor(shape: S) {
    this.shape = shape;
    this.#slots = Object.entries(shape).map(([name, field]) => {
      const { kind } = field;
      const tag = (field.number << 3) | kind.wireType;
      return { name, tag, tagSize: varintSize(tag), kind };
    });
    for (const slot of this.#slots) this.#byTag[slot.tag] = slot;
  }

  /** Reads a message. Bytes fields are views of `bytes`. Throws `REQUEST_MALFORMED`. */
  decode(bytes: Buffer): MessageOf<S> {
    return this.read(new WireReader(bytes));
  }

  /** Reads a message to the reader's end, as `decode` does. */
  read(reader: WireReader): MessageOf<S> {
    const values: Record<string, unknown> = {};
    for (const slot of this.#slots) values[slot.name] = slot.kind.absent();
    while (!reader.done) {
      const tag = reader.tag();
      const slot = this.#byTag[tag];
      if (slot === undefined) reader.skip(tag);
      else values[slot.name] = slot.kind.read(reader, values[slot.name]);
    }
    // Every name of the shape was set to a value of its field's kind just above.
    return values as MessageOf<S>;
  }

  /** Writes a message into one new buffer; properties that are absent or default are left out. */
  encode(value: Partial<MessageOf<S>>): Buffer {
    return bytesOf(this.reply(value));
  }

  /** A message to be written where it is sent from. Disposing of it disposes of `secret`, which is part of it. */
  reply(value: Partial<MessageOf<S>>, secret?: Disposable): Reply {
    const values: Readonly<Record<string, unknown>> = value;
    return {
      size: this.#sizeOf(values),
      writeTo: (target, at) => this.#write(new WireWriter(target, at), values),
      [Symbol.dispose]: () => secret?.[Symbol.dispose](),
    };
  }

  #sizeOf(values: Readonly<Record<string, unknown>>): number {
    let size = 0;
    for (const { name, kind, tagSize } of this.#slots) {
      const value = values[name];
      if (value !== undefined) size += kind.size(value, tagSize);
    }
    return size;
  }

  #write(writer: WireWriter, values: Readonly<Record<string, unknown>>): void {
    for (const { name, kind, tag, tagSize } of this.#slots) {
      const value = values[name];
      if (value !== undefined && kind.size(value, tagSize) > 0) kind.write(writer, tag, value);
    }
  }

  /** This message as the kind of a field of another. */
  readonly kind: Kind<Partial<MessageOf<S>> | undefined> = {
    wireType: wireTypes.length,
    absent: () => undefined,
    read: (reader) => this.read(reader.nested()),
    size: (value, tagSize) => (value === undefined ? 0 : withLength(tagSize, this.#sizeOf(value))),
    write: (writer, tag, value) => {
      const values: Readonly<Record<string, unknown>> = value ?? {};
      writer.varint(tag);
      writer.varint(this.#sizeOf(values));
      this.#write(writer, values);
    },
  };
}
