/**
 * The keys that an issuer lists (RFC 7517 section 5), as they are used: those that can check a signature, by name. Keys
 * of other kinds are passed over, as section 5 wants it.
 */
import type { JWK } from 'jose';
import { KeysUnavailable } from './jwks-request.ts';

/** A list of keys. */
export interface KeySet {
  /** The names (`kid`) of the keys. */
  readonly names: ReadonlySet<string>;
  readonly keys: readonly JWK[];
  /** Equal for two lists of the same keys, in whatever order. */
  readonly fingerprint: string;
}

const mostKeys = 100;

/** Kinds of keys with a public half. A list with a shared secret in it (`oct`) must not make tokens by HMAC good. */
const kinds: readonly unknown[] = ['RSA', 'EC', 'OKP'];

/** Fields that only private and shared keys have (RFC 7518 section 6). */
const privateFields = ['d', 'k'];

/** Reads a list of keys. Throws `KeysUnavailable` where it is none. */
export function readKeySet(text: string): KeySet {
  const listed = listedIn(text);
  if (listed === undefined) throw new KeysUnavailable('the answer is not a JSON object with a list of keys');
  if (listed.length > mostKeys) throw new KeysUnavailable(`the answer lists more than ${mostKeys} keys`);
  const keys = listed.filter(isUsable);
  return {
    names: new Set(keys.map(({ kid }) => kid)),
    keys,
    fingerprint: keys.map(canonical).sort().join('\n'),
  };
}

/** The members of `keys`; what `JSON.parse` throws would quote the answer. */
function listedIn(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('keys' in value)) return undefined;
    return Array.isArray(value.keys) ? value.keys : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is a public key with a name; whether it fits an algorithm shows when it is used. */
function isUsable(key: unknown): key is JWK & { kid: string } {
  if (typeof key !== 'object' || key === null || !('kty' in key) || !('kid' in key)) return false;
  if (typeof key.kid !== 'string' || key.kid === '' || !kinds.includes(key.kty)) return false;
  return !privateFields.some((name) => name in key);
}

function canonical(key: object): string {
  return JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
}
