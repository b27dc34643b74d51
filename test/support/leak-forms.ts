/**
 * Secrets that are looked for where they must not be, in every form that careless code might write them in, whole or
 * in parts.
 */
import { randomBytes } from 'node:crypto';

/** A secret, with what people call it. */
export interface Marker {
  readonly name: string;
  readonly bytes: Buffer;
  /** As it is given to keyproxy where text is wanted. */
  readonly text: string;
}

/** A part of a secret that was found. */
export interface Leak {
  /** Where it was found. */
  readonly place: string;
  readonly marker: string;
  readonly form: string;
  /** What stands before it, which tells who wrote it. */
  readonly before: string;
}

/** A marker that is text, which nothing has to escape. Hashes are in hex, and are no parts of it by chance. */
export function textMarker(name: string): Marker {
  const random = randomBytes(24).toString('base64url');
  return { name, bytes: Buffer.from(random), text: `mk-${name}-${random}` };
}

/** A marker of any bytes: 32 of chance unless some are given. */
export function bytesMarker(name: string, bytes: Buffer = randomBytes(32)): Marker {
  return { name, bytes, text: bytes.toString('latin1') };
}

/** At least six bytes of a secret are in a piece of any form: nothing else has them by chance. */
const pieceLength: Readonly<Record<string, number>> = { raw: 8 };
const usualPiece = 16;

/** A secret in base64, wherever in what was encoded it began: the characters that it alone determines. */
function base64(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString(encoding)
      .replaceAll('=', '');
    return text.slice(shift === 0 ? 0 : 4, -1);
  });
}

const pairsOf = (bytes: Buffer) => bytes.toString('hex').match(/../g) ?? [];

/** Form → how a secret looks in it, one character a byte. */
const forms: Readonly<Record<string, (bytes: Buffer) => readonly string[]>> = {
  raw: (bytes) => [bytes.toString('latin1')],
  hex: (bytes) => [bytes.toString('hex')],
  'upper-case hex': (bytes) => [bytes.toString('hex').toUpperCase()],
  base64: (bytes) => base64(bytes, 'base64'),
  base64url: (bytes) => base64(bytes, 'base64url'),
  'URL-escaped': (bytes) => [
    pairsOf(bytes)
      .map((pair) => `%${pair.toUpperCase()}`)
      .join(''),
    Buffer.from(encodeURIComponent(bytes.toString('latin1'))).toString('latin1'),
  ],
  'JSON-escaped': (bytes) => {
    const json = JSON.stringify(bytes.toString('latin1')).slice(1, -1);
    return [Buffer.from(json, 'utf8').toString('latin1')];
  },
  'as Latin-1 in UTF-8': (bytes) => [Buffer.from(bytes.toString('latin1'), 'utf8').toString('latin1')],
  'list of numbers': (bytes) => [[...bytes].join(','), [...bytes].join(', ')],
  'as Node shows buffers': (bytes) => [pairsOf(bytes).join(' ')],
};

interface Needle {
  readonly marker: string;
  readonly form: string;
  readonly text: string;
}

/** What to look for. */
export type Needles = readonly Needle[];

/** The pieces by which secrets are found. */
export function needlesOf(markers: readonly Marker[]): Needles {
  return markers.flatMap(({ name: marker, bytes }) =>
    Object.entries(forms).flatMap(([form, write]) =>
      write(bytes).flatMap((whole) =>
        cut(whole, pieceLength[form] ?? usualPiece).map((text) => ({ marker, form, text })),
      ),
    ),
  );
}

/** The first find of each marker in each form in what is at `place`. */
export function leaksIn(place: string, content: Buffer | string, needles: Needles): Leak[] {
  // A character a byte: what is written in UTF-8 stays as it was written.
  const text = (typeof content === 'string' ? Buffer.from(content) : content).toString('latin1');
  const found = new Map<string, Leak>();
  for (const { marker, form, text: needle } of needles) {
    const at = text.indexOf(needle);
    const key = `${marker} ${form}`;
    if (at >= 0 && !found.has(key)) {
      found.set(key, { place, marker, form, before: text.slice(Math.max(0, at - 80), at) });
    }
  }
  return [...found.values()];
}

function cut(whole: string, length: number): string[] {
  const pieces = Array.from({ length: Math.floor(whole.length / length) }, (_, at) =>
    whole.slice(at * length, (at + 1) * length),
  );
  return [...new Set(pieces)];
}

/** What only secrets look like, whoever made them: tokens and private keys that no test has seen. */
const shapes: Readonly<Record<string, RegExp>> = {
  'a private key': /-----BEGIN [A-Z ]*PRIVATE KEY/,
  'a JSON Web Token': /eyJ[\w-]{16,}\.[\w-]{8,}/,
  "a session token of AWS's": /IQoJb3JpZ2luX2Vj/,
  "an access token of Google's": /ya29\.[\w.-]{8}/,
  "a token of Vault's": /\b(?:hvs|hvb|s|b)\.[A-Za-z0-9_-]{24,}/,
  'an authorization header': /\b(?:Bearer|Basic) [\w.~+/-]{8}|AWS4-HMAC-SHA256/,
};

/** Finds of what looks like a secret. */
export function shapesIn(place: string, content: Buffer | string): Leak[] {
  const text = content.toString('latin1');
  return Object.entries(shapes).flatMap(([marker, shape]) => {
    const match = shape.exec(text);
    if (match === null) return [];
    return [{ place, marker, form: 'by its shape', before: text.slice(Math.max(0, match.index - 80), match.index) }];
  });
}
