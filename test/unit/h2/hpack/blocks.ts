/** Short ways to write blocks and lists down, and to see what is in a table. */
import { CompressionError, type HeaderDecoder } from '../../../../src/h2/hpack/decoder.ts';
import type { HeaderField } from '../../../../src/h2/hpack/field.ts';

/** The bytes of hexadecimal digits; spaces are for the reader. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
}

/** A list of fields from lines as the RFC prints them, `name: value`. */
export function list(...lines: string[]): HeaderField[] {
  return lines.map((line) => {
    const colon = line.indexOf(': ', 1);
    return { name: line.slice(0, colon), value: line.slice(colon + 2) };
  });
}

/** The dynamic table of a decoder, newest first, as its indices tell it. */
export function tableOf(decoder: HeaderDecoder): HeaderField[] {
  const fields: HeaderField[] = [];
  for (let index = 62; ; index++) {
    try {
      fields.push(...decoder.decode(indexed(index)).fields);
    } catch (error) {
      if (error instanceof CompressionError) return fields;
      throw error;
    }
  }
}

/** A block of one index. */
export function indexed(index: number): Buffer {
  if (index < 0x7f) return Buffer.of(0x80 | index);
  const rest = index - 0x7f;
  return rest < 0x80 ? Buffer.of(0xff, rest) : Buffer.of(0xff, (rest & 0x7f) | 0x80, rest >>> 7);
}

/** A block with one literal in plain bytes, of which the first says how it is meant; both strings below 16 kB. */
export function literal(first: number, { name, value }: HeaderField): Buffer {
  return Buffer.concat([Buffer.of(first), rawString(name), rawString(value)]);
}

function rawString(text: string): Buffer {
  const rest = text.length - 0x7f;
  const length = rest < 0 ? [text.length] : rest < 0x80 ? [0x7f, rest] : [0x7f, (rest & 0x7f) | 0x80, rest >>> 7];
  return Buffer.concat([Buffer.from(length), Buffer.from(text, 'latin1')]);
}
