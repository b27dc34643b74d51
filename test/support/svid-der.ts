/** Writes DER (X.690) value by value, so that tests can make certificates that no library would write. */

/** A value: tag, shortest length, contents. */
export function value(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthOf(body.length), body]);
}

export function sequence(...contents: readonly Uint8Array[]): Buffer {
  return value(0x30, ...contents);
}

/** An object identifier by its numbers with dots. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return value(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

export function boolean(truth: boolean): Buffer {
  return value(0x01, Buffer.of(truth ? 0xff : 0x00));
}

/** A bit string of whole bytes. */
export function bitString(bytes: Uint8Array): Buffer {
  return value(0x03, Buffer.of(0), bytes);
}

/** A bit string of named bits, without the zeros at its end. */
export function namedBits(bits: readonly number[]): Buffer {
  const length = Math.max(-1, ...bits) + 1;
  const bytes = Buffer.alloc(Math.ceil(length / 8));
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return value(0x03, Buffer.of(bytes.length * 8 - length), bytes);
}

/** A time up to 2049, to the second. */
export function utcTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/[-:T]|\.\d+/g, '');
  return value(0x17, Buffer.from(digits.slice(2), 'latin1'));
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes = base256(length);
  return Buffer.of(0x80 | bytes.length, ...bytes);
}

function base256(number: number): number[] {
  return number < 0x100 ? [number] : [...base256(Math.floor(number / 0x100)), number % 0x100];
}

function base128(number: number): number[] {
  const [last, ...before] =
    number
      .toString(2)
      .match(/.{1,7}(?=(.{7})*$)/g)
      ?.toReversed() ?? [];
  const parts = [Number.parseInt(last ?? '0', 2), ...before.map((part) => 0x80 | Number.parseInt(part, 2))];
  return parts.toReversed();
}
