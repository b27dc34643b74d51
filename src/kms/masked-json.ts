/**
 * Reads JSON that holds secrets. `JSON.parse` would make a string of each, which nobody can wipe; so the values of
 * some names are taken out of the bytes before, and what is parsed has a number in the place of each.
 *
 *     {"data":{"plaintext":"c2VjcmV0"}}   →   {"data":{"plaintext":"0       "}}   and, as secret 0, c2VjcmV0
 *
 * Nothing but the insides of those strings is written to. An empty one stays empty and is no secret.
 */
import { ownBytes } from '../base/bytes.ts';

/** What was read. Whoever has it owns the secrets: bytes as they stood between the quotes, escapes undone. */
export interface MaskedJson {
  readonly value: unknown;
  readonly secrets: readonly Buffer[];
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const blank = 0x20;
const notFound = -1;

/**
 * Parses `body` with the string values of `names` masked, wherever such a name stands. Overwrites those values in
 * `body`. Returns undefined where it is not JSON; then no secret is left in memory but perhaps in `body`.
 */
export function parseMasked(body: Buffer, names: ReadonlySet<string>): MaskedJson | undefined {
  const secrets: Buffer[] = [];
  const value = maskAll(body, names, secrets) ? parsed(body) : undefined;
  if (value !== undefined) return { value, secrets };
  for (const secret of secrets) secret.fill(0);
  return undefined;
}

/** Masks every value. Returns false where a string has no end, or a value no form that could be kept. */
function maskAll(body: Buffer, names: ReadonlySet<string>, secrets: Buffer[]): boolean {
  let at = body.indexOf(quote);
  while (at !== notFound) {
    const end = endOfString(body, at);
    if (end === notFound) return false;
    const next = skipBlanks(body, end + 1);
    let from = end + 1;
    if (body[next] === colon && names.has(nameAt(body, at, end))) {
      const value = skipBlanks(body, next + 1);
      if (body[value] === quote) {
        const valueEnd = endOfString(body, value);
        if (valueEnd === notFound) return false;
        if (!mask(body.subarray(value + 1, valueEnd), secrets)) return false;
        from = valueEnd + 1;
      }
    }
    at = body.indexOf(quote, from);
  }
  return true;
}

/** The offset of the quote that ends the string which begins at `start`. */
function endOfString(body: Buffer, start: number): number {
  for (let at = start + 1; at < body.length; at++) {
    if (body[at] === quote) return at;
    if (body[at] === backslash) at++;
  }
  return notFound;
}

function skipBlanks(body: Buffer, start: number): number {
  let at = start;
  while (body[at] === blank || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at++;
  return at;
}

/** The name between two quotes, which may be spelled with escapes; it is no secret. */
function nameAt(body: Buffer, start: number, end: number): string {
  const name = body.subarray(start, end + 1);
  if (!name.includes(backslash)) return name.toString('utf8', 1, name.length - 1);
  const value = parsed(name);
  return typeof value === 'string' ? value : '';
}

/** Takes a value out of its bytes. Returns false for one that is too short for its number, as no key or token is. */
function mask(range: Buffer, secrets: Buffer[]): boolean {
  if (range.length === 0) return true;
  const secret = unescaped(range);
  const number = String(secrets.length);
  if (secret === undefined || number.length > range.length) {
    secret?.fill(0);
    return false;
  }
  secrets.push(secret);
  range.fill(blank);
  range.write(number, 'latin1');
  return true;
}

const simpleEscapes: ReadonlyMap<number | undefined, number> = new Map([
  [quote, quote],
  [backslash, backslash],
  [0x2f, 0x2f],
]);

/** A copy without escapes; undefined for an escape that stands for nothing in ASCII, which no secret here holds. */
function unescaped(range: Buffer): Buffer | undefined {
  const out = ownBytes(range.length);
  let length = 0;
  for (let at = 0; at < range.length; at++) {
    let byte = range[at] ?? 0;
    if (byte === backslash) {
      const simple = simpleEscapes.get(range[++at]);
      const code = simple ?? (range[at] === 0x75 ? hexCode(range.subarray(at + 1, at + 5)) : notFound);
      if (simple === undefined) at += 4;
      if (code < 0 || code > 0x7f) return void out.fill(0);
      byte = code;
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

function hexCode(digits: Buffer): number {
  let code = digits.length === 4 ? 0 : notFound;
  for (const digit of digits) {
    const value = Number.parseInt(String.fromCharCode(digit), 16);
    if (Number.isNaN(value)) return notFound;
    code = code * 16 + value;
  }
  return code;
}

/** `JSON.parse` says in its error what it read, which is why that goes no further. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
