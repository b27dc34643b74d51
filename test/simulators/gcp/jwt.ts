/** Signed tokens (RFC 7519) with RS256, the one algorithm that Google's token services take here. */
import { type KeyObject, sign, verify } from 'node:crypto';

/** What a token says, unverified. */
export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Reads a token; undefined for anything that is not three parts with JSON objects in the first two. */
export function parseJwt(token: string): Jwt | undefined {
  const [head, body, mac, ...more] = token.split('.');
  if (head === undefined || body === undefined || mac === undefined || more.length > 0) return undefined;
  const header = objectIn(head);
  const claims = objectIn(body);
  if (header === undefined || claims === undefined) return undefined;
  return { header, claims, signed: Buffer.from(`${head}.${body}`), signature: Buffer.from(mac, 'base64url') };
}

/** Whether one of the keys signed the token. */
export function signedBy(jwt: Jwt, keys: Iterable<KeyObject>): boolean {
  if (jwt.header['alg'] !== 'RS256') return false;
  return [...keys].some((key) => verify('sha256', jwt.signed, key, jwt.signature));
}

/** Signs claims. */
export function signJwt(claims: object, key: KeyObject, header: object = {}): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'RS256', typ: 'JWT', ...header })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

/** A claim that is a string; empty otherwise. */
export function claim(jwt: Jwt, name: string): string {
  const value = jwt.claims[name];
  return typeof value === 'string' ? value : '';
}

/** A claim that is a time, in seconds since 1970; NaN otherwise. */
export function timeClaim(jwt: Jwt, name: string): number {
  const value = jwt.claims[name];
  return typeof value === 'number' ? value : Number.NaN;
}

function objectIn(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
