/**
 * The protobuf wire format: varints, tags and lengths (https://protobuf.dev/programming-guides/encoding/).
 * A reader never runs over its end and never allocates from a length; what is not valid throws
 * `REQUEST_MALFORMED`.
 */
import { isUtf8 } from 'node:buffer';
import { KeyproxyError } from '../../base/errors.ts';

/** Wire types that keyproxy reads and writes; groups are read past. */
export const wireTypes = { varint: 0, fixed64: 1, length: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;

/** Deepest nesting of unknown groups that is read past. */
const maxGroupDepth = 16;

/** Longest string that is looked through byte by byte. */
const shortString = 48;

function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0x80) >= 0x80) return false;
  return true;
}

/** Throws for a message that is not valid; `why` names no input. */
export function malformed(why: string): never {
  throw new KeyproxyError('REQUEST_MALFORMED', { detail: why });
}

/** Reads one message from the front. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /** Reads `bytes` from `start` to `end`. */
  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at++] : undefined;
    return byte ?? malformed('it ends inside a field');
  }

  /** A field number and wire type as one number, `number << 3 | type`. */
  tag(): number {
    const tag = this.uint32();
    if (tag >>> 3 === 0) malformed('a field has the number 0');
    return tag;
  }

  /** A varint of up to 64 bits, cut to its low 32 as the encoding guide has it. */
  uint32(): number {
    let byte = this.#byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return malformed('a number is longer than 10 bytes');
  }

  /** A length: unlike a number it is never cut, since another reader would find another field behind it. */
  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    let length = first & 0x7f;
    for (let scale = 0x80; scale <= 0x10000000; scale *= 0x80) {
      const byte = this.#byte();
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) return length;
    }
    return malformed('a length is longer than 5 bytes');
  }

  /** The bytes of a field with a length, as a view of the message. */
  bytes(): Buffer {
    const start = this.#span();
    return this.#bytes.subarray(start, this.#at);
  }

  /** A reader of a field with a length: a message in this one. */
  nested(): WireReader {
    const start = this.#span();
    return new WireReader(this.#bytes, start, this.#at);
  }

  /** Goes past a length and what it counts; returns where that begins. */
  #span(): number {
    const length = this.#length();
    const start = this.#at;
    if (length > this.#end - start) malformed('it ends inside a field');
    this.#at = start + length;
    return start;
  }

  /** A string; protobuf demands UTF-8 of it. */
  string(): string {
    const length = this.#length();
    const start = this.#at;
    const end = start + length;
    if (length > this.#end - start) malformed('it ends inside a field');
    this.#at = end;
    // Most strings are short and ASCII, which is UTF-8 and needs no second look.
    if (length <= shortString && isAscii(this.#bytes, start, end)) return this.#bytes.toString('latin1', start, end);
    if (!isUtf8(this.#bytes.subarray(start, end))) malformed('a string is not valid UTF-8');
    return this.#bytes.toString('utf8', start, end);
  }

  /** Reads past a field that is not known here, as the encoding guide demands. `tag` is what stands before it. */
  skip(tag: number, depth = 0): void {
    const field = tag >>> 3;
    switch (tag & 7) {
      case wireTypes.varint:
        this.uint32();
        return;
      case wireTypes.fixed64:
        this.#advance(8);
        return;
      case wireTypes.length:
        this.bytes();
        return;
      case wireTypes.groupStart:
        this.#skipGroup(field, depth + 1);
        return;
      case wireTypes.fixed32:
        this.#advance(4);
        return;
      default:
        malformed('a field has an unknown wire type');
    }
  }

  #skipGroup(field: number, depth: number): void {
    if (depth > maxGroupDepth) malformed('groups are nested too deep');
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) !== wireTypes.groupEnd) this.skip(tag, depth);
      else if (tag >>> 3 === field) return;
      else malformed('a group ends that did not begin');
    }
  }

  #advance(count: number): void {
    if (count > this.#end - this.#at) malformed('it ends inside a field');
    this.#at += count;
  }
}

/** Bytes that `value`, a whole number below 2^53, takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** Writes into a buffer that has room. */
export class WireWriter {
  readonly #buffer: Buffer;
  #at: number;

  /** The first byte goes to `at`. */
  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer;
    this.#at = at;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** A length and the bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A length and the UTF-8 bytes of `text`, `size` of them. */
  string(text: string, size: number): void {
    this.varint(size);
    this.#at += this.#buffer.write(text, this.#at, 'utf8');
  }
}
