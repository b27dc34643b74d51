/**
 * Base64 as Go's standard decoder reads it: padding is required, line breaks are skipped, and an error names the byte.
 */

/** Bytes, or the decoder's error text. */
export type Decoded = { readonly bytes: Buffer } | { readonly error: string };

const digit = /^[A-Za-z0-9+/]$/;
const lineBreak = /^[\r\n]$/;

/** Decodes; never throws. */
export function decodeBase64(text: string): Decoded {
  const at = firstFault(text);
  if (at !== undefined) return { error: `illegal base64 data at input byte ${at}` };
  return { bytes: Buffer.from(text.replace(/[\r\n]/g, ''), 'base64') };
}

/** The byte that Go's decoder stops at; undefined for well-formed text. */
function firstFault(text: string): number | undefined {
  let inQuantum = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (lineBreak.test(character)) continue;
    if (digit.test(character)) inQuantum = (inQuantum + 1) % 4;
    else if (character !== '=' || inQuantum < 2) return Buffer.byteLength(text.slice(0, at));
    else return faultInPadding(text, at, inQuantum);
  }
  return inQuantum === 0 ? undefined : text.length - inQuantum;
}

/** What follows the first `=`: a second one where two digits came before it, line breaks, and nothing else. */
function faultInPadding(text: string, first: number, digits: number): number | undefined {
  let next = skipLineBreaks(text, first + 1);
  if (digits === 2) {
    if (next === text.length) return text.length;
    if (text.charAt(next) !== '=') return next - 1;
    next = skipLineBreaks(text, next + 1);
  }
  return next < text.length ? next : undefined;
}

function skipLineBreaks(text: string, from: number): number {
  let at = from;
  while (at < text.length && lineBreak.test(text.charAt(at))) at++;
  return at;
}
