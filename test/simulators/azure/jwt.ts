/** Signed tokens in the compact form of JWS with RS256 (RFC 7515, RFC 7519): what Entra and Kubernetes both issue. */
import { generateKeyPair, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

export interface SigningKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A token that has been taken apart and not yet been believed. */
export interface ParsedJwt {
  readonly kid: string | undefined;
  readonly algorithm: unknown;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Whether this key has signed it. */
  isSignedBy(publicKey: KeyObject): boolean;
}

/** Makes an RSA key of 2048 bits. */
export async function makeSigningKey(): Promise<SigningKey> {
  return { kid: randomUUID(), ...(await generate('rsa', { modulusLength: 2048 })) };
}

/** Signs claims; `kid` tells verifiers which key it was. */
export function signJwt(claims: object, { kid, privateKey }: SigningKey): string {
  const signed = `${encode({ typ: 'JWT', alg: 'RS256', kid })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed, 'ascii'), privateKey).toString('base64url')}`;
}

/** Takes a token apart; undefined for anything that is not three parts of base64url with JSON objects in two of them. */
export function parseJwt(token: string): ParsedJwt | undefined {
  const match = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token);
  const [, head = '', payload = '', signature = ''] = match ?? [];
  const header = decode(head);
  const claims = decode(payload);
  if (header === undefined || claims === undefined) return undefined;
  const kid = header['kid'];
  return {
    kid: typeof kid === 'string' ? kid : undefined,
    algorithm: header['alg'],
    claims,
    isSignedBy: (publicKey) =>
      header['alg'] === 'RS256' &&
      verify('sha256', Buffer.from(`${head}.${payload}`, 'ascii'), publicKey, Buffer.from(signature, 'base64url')),
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
}

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
