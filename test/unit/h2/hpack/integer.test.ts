import { describe, expect, it } from 'vitest';
import { maxInteger, readInteger, writeInteger } from '../../../../src/h2/hpack/integer.ts';
import { hex } from './blocks.ts';

function read(digits: string, mask: number): number {
  return readInteger({ bytes: hex(digits), at: 0 }, mask);
}

function write(value: number, mask: number): string {
  const cursor = { bytes: Buffer.alloc(8), at: 0 };
  writeInteger(cursor, { pattern: 0, mask }, value);
  return cursor.bytes.toString('hex', 0, cursor.at);
}

// RFC 7541 C.1, and the values at which one more byte begins.
const examples = [
  { value: 10, mask: 0x1f, bytes: '0a' },
  { value: 1337, mask: 0x1f, bytes: '1f9a0a' },
  { value: 42, mask: 0xff, bytes: '2a' },
  { value: 30, mask: 0x1f, bytes: '1e' },
  { value: 31, mask: 0x1f, bytes: '1f00' },
  { value: 31 + 127, mask: 0x1f, bytes: '1f7f' },
  { value: 31 + 128, mask: 0x1f, bytes: '1f8001' },
  { value: 0, mask: 0x7f, bytes: '00' },
  { value: 2 ** 28, mask: 0x0f, bytes: '0ff1ffff7f' },
];

describe('an integer of a block', () => {
  it.each(examples)('$value with the mask $mask is $bytes', ({ value, mask, bytes }) => {
    expect(read(bytes, mask)).toBe(value);
    expect(write(value, mask)).toBe(bytes);
  });

  it('leaves the bits in front of it alone', () => {
    const cursor = { bytes: Buffer.alloc(2), at: 0 };
    writeInteger(cursor, { pattern: 0x20, mask: 0x1f }, 31);
    expect(cursor.bytes.toString('hex')).toBe('3f00');
    expect(read('ea', 0x1f)).toBe(10);
  });

  it('may be written longer than it has to be, within five more bytes', () => {
    expect(read('1f8080808000', 0x1f)).toBe(31);
    expect(read('1f808080808000', 0x1f)).toBe(-1);
  });

  it.each(['', '1f', '1f80', '1fffffff'])('is not there where the block ends inside it: "%s"', (bytes) => {
    expect(read(bytes, 0x1f)).toBe(-1);
  });

  it('is refused above its limit, however far', () => {
    expect(read('0ff1ffff7f', 0x0f)).toBe(maxInteger);
    expect(read('0ff2ffff7f', 0x0f)).toBe(-1);
    expect(read('0fffffffff7f', 0x0f)).toBe(-1);
    expect(read(`0f${'ff'.repeat(100)}7f`, 0x0f)).toBe(-1);
  });
});
