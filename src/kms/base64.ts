/**
 * Base64 (RFC 4648, section 4) from bytes to bytes. Node's own conversions go by way of a string, and a string with a
 * key in it cannot be wiped.
 */
import { ownBytes } from '../base/bytes.ts';

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const padding = 0x3d;
const notInAlphabet = 0xff;

/** Character → its six bits. */
const sextets = Buffer.alloc(256, notInAlphabet);
for (const [value, character] of alphabet.entries()) sextets[character] = value;

/** How many characters `length` bytes become. */
export function base64Length(length: number): number {
  return 4 * Math.ceil(length / 3);
}

/** Writes the base64 of `bytes` to `target` at `offset`, which has to have room; returns the offset behind it. */
export function writeBase64(bytes: Uint8Array, target: Buffer, offset: number): number {
  let at = offset;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const bits = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    target[at] = alphabet[bits >>> 18] ?? 0;
    target[at + 1] = alphabet[(bits >>> 12) & 63] ?? 0;
    target[at + 2] = left > 1 ? (alphabet[(bits >>> 6) & 63] ?? 0) : padding;
    target[at + 3] = left > 2 ? (alphabet[bits & 63] ?? 0) : padding;
    at += 4;
  }
  return at;
}

/**
 * The bytes that `text` stands for, in memory of their own; undefined where it is not the one canonical form: another
 * character, padding that is missing or too much, bits after the end that are not zero.
 */
export function decodeBase64(text: Uint8Array): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padded = text.at(-1) !== padding ? 0 : text.at(-2) === padding ? 2 : 1;
  const out = ownBytes((text.length / 4) * 3 - padded);
  const used = text.length - padded;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < used; i++) {
    const sextet = sextets[text[i] ?? 0] ?? notInAlphabet;
    if (sextet === notInAlphabet) return wiped(out);
    bits = ((bits << 6) | sextet) & 0xffffff;
    const phase = i % 4;
    if (phase > 0) out[at++] = (bits >>> (6 - 2 * phase)) & 0xff;
  }
  const spare = padded === 0 ? 0 : bits & (padded === 2 ? 0x0f : 0x03);
  return spare === 0 ? out : wiped(out);
}

function wiped(bytes: Buffer): undefined {
  bytes.fill(0);
  return undefined;
}
