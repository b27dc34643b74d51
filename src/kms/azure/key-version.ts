/** One version of a key as the vault describes it: how it wraps, and whether it may. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { KeyVaultKey } from '@azure/keyvault-keys';
import { KmsError, type KmsFault } from '../fault.ts';
import { isVersion } from './entry.ts';

/** A version that can wrap. */
export interface KeyVersion {
  /** 32 lower-case hexadecimal digits. */
  readonly version: string;
  readonly style: WrapStyle;
  /** Whether an HSM holds it. */
  readonly inHsm: boolean;
  readonly enabled: boolean;
  readonly notBefore?: Date;
  readonly expiresOn?: Date;
}

/** How a version wraps. */
export type WrapStyle =
  /** Here, with its public part: the vault sees nothing of it and needs to grant nothing for it. */
  | { readonly kind: 'rsa'; readonly publicKey: KeyObject; readonly bits: number }
  /** At the managed HSM. */
  | { readonly kind: 'aes' };

const operation = 'getKey';
const wantedOperation = 'unwrapKey';
const rsaSizes: readonly number[] = [2048, 3072, 4096];

const whatToUse = 'use an RSA-HSM key of at least 3072 bits, or an oct-HSM key on a managed HSM';

/**
 * Reads what the vault tells of the key `name`. Throws a `KmsError`: `KEY_UNSUITABLE` with advice for one that cannot
 * wrap, `KEY_SERVICE_MISCONFIGURED` for an answer about another key.
 */
export function keyVersionFrom(key: KeyVaultKey, name: string): KeyVersion {
  const { version, enabled } = key.properties;
  const [notBefore, expiresOn] = [timeOf(key.properties.notBefore), timeOf(key.properties.expiresOn)];
  // Names of keys are the same in either case (about-keys-secrets-certificates, "Object identifiers").
  if (version === undefined || !isVersion(version) || key.name.toLowerCase() !== name.toLowerCase()) {
    throw failed('KEY_SERVICE_MISCONFIGURED', 'check vault_url: what answers there describes another key');
  }
  const style = styleOf(key);
  if (key.keyOperations !== undefined && !key.keyOperations.includes(wantedOperation)) {
    throw failed('KEY_UNSUITABLE', "add unwrapKey to the key's permitted operations, or make a key that has it");
  }
  return {
    version,
    style,
    inHsm: key.keyType?.endsWith('-HSM') ?? false,
    enabled: enabled ?? true,
    ...(notBefore !== undefined && { notBefore }),
    ...(expiresOn !== undefined && { expiresOn }),
  };
}

/**
 * Why nothing new may be wrapped under a version at the time `now`, in milliseconds since 1970. Outside of its time a
 * version still unwraps ("About keys", "Date-time controlled operations"), and a version that was made disabled, to be
 * switched on later, leaves the older ones as they are: so either is a no to this request alone.
 */
export function stateFault({ enabled, notBefore, expiresOn }: KeyVersion, now: number): KmsFault | undefined {
  if (!enabled) return { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false };
  if (
    (notBefore !== undefined && now < notBefore.getTime()) ||
    (expiresOn !== undefined && now >= expiresOn.getTime())
  ) {
    return { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false };
  }
  return undefined;
}

/** The library makes dates of seconds, but for the second 0, which it leaves as it came. */
function timeOf(value: unknown): Date | undefined {
  if (value instanceof Date) return value;
  return typeof value === 'number' ? new Date(value * 1000) : undefined;
}

function styleOf({ keyType, key }: KeyVaultKey): WrapStyle {
  if (keyType === 'oct-HSM') return { kind: 'aes' };
  if (keyType !== 'RSA' && keyType !== 'RSA-HSM') throw failed('KEY_UNSUITABLE', `${whatToUse}; this one cannot wrap`);
  const publicKey = publicKeyOf(key?.n, key?.e);
  const bits = publicKey?.asymmetricKeyDetails?.modulusLength;
  if (publicKey === undefined || bits === undefined || !rsaSizes.includes(bits)) {
    throw failed('KEY_UNSUITABLE', `${whatToUse}; this one is not of 2048, 3072 or 4096 bits`);
  }
  return { kind: 'rsa', publicKey, bits };
}

function publicKeyOf(modulus: Uint8Array | undefined, exponent: Uint8Array | undefined): KeyObject | undefined {
  if (modulus === undefined || exponent === undefined) return undefined;
  const text = (part: Uint8Array) => Buffer.from(part).toString('base64url');
  try {
    return createPublicKey({ key: { kty: 'RSA', n: text(modulus), e: text(exponent) }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function failed(reason: 'KEY_UNSUITABLE' | 'KEY_SERVICE_MISCONFIGURED', advice: string): KmsError {
  return new KmsError({ kind: 'config', reason }, { provider: 'azure_kv', operation, advice });
}
