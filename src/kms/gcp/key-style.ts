/**
 * How a key wraps. A symmetric key of Cloud KMS wraps and unwraps and binds the context; of an RSA key anybody may wrap
 * with the public part, nothing is bound, and Cloud KMS unwraps.
 */
import type { protos } from '@google-cloud/kms';

/** How one key wraps. */
export type KeyStyle =
  | {
      readonly kind: 'symmetric';
      /** Most bytes of data key and context together; none where each has the API's own limit. */
      readonly maxTogether?: number;
    }
  | { readonly kind: 'rsa' };

/** Marks entries of either kind. */
export const providerId = Buffer.from('gcp-kms');

/** What is taken for the style of a key that may not be looked at. */
export const assumedStyle: KeyStyle = { kind: 'symmetric' };

/** Most bytes of a plaintext, of a context, and of a ciphertext (google/cloud/kms/v1/service.proto). */
export const maxBytes = 64 * 1024;

/** Most bytes of plaintext and context together in an HSM (`EncryptRequest.additional_authenticated_data`). */
const maxTogetherInHsm = 8 * 1024;

const styleOfPurpose: Readonly<Record<string, KeyStyle['kind']>> = {
  ENCRYPT_DECRYPT: 'symmetric',
  ASYMMETRIC_DECRYPT: 'rsa',
};

const hsmLevels = ['HSM', 'HSM_SINGLE_TENANT'];

/** The style of a key as GetCryptoKey tells of it; undefined for one that cannot wrap (signing, MAC, raw encryption). */
export function styleOfKey(key: protos.google.cloud.kms.v1.ICryptoKey): KeyStyle | undefined {
  const purpose = String(key.purpose);
  const kind = Object.hasOwn(styleOfPurpose, purpose) ? styleOfPurpose[purpose] : undefined;
  if (kind !== 'symmetric') return kind === undefined ? undefined : { kind };
  const isHsm = hsmLevels.includes(String(key.versionTemplate?.protectionLevel));
  return isHsm ? { kind, maxTogether: maxTogetherInHsm } : { kind };
}

/** How a version of an RSA key wraps. */
export interface RsaAlgorithm {
  readonly hash: 'sha256' | 'sha512';
  /** Of the modulus, and so of every ciphertext, in bytes. */
  readonly size: number;
}

/** The algorithms of RSA versions that keyproxy uses; those with SHA-1 it does not. */
export const rsaAlgorithms: Readonly<Record<string, RsaAlgorithm>> = {
  RSA_DECRYPT_OAEP_2048_SHA256: { hash: 'sha256', size: 256 },
  RSA_DECRYPT_OAEP_3072_SHA256: { hash: 'sha256', size: 384 },
  RSA_DECRYPT_OAEP_4096_SHA256: { hash: 'sha256', size: 512 },
  RSA_DECRYPT_OAEP_4096_SHA512: { hash: 'sha512', size: 512 },
};

/** Lengths that a ciphertext of an RSA key can have, in bytes. */
export const rsaSizes: readonly number[] = [256, 384, 512];

/** For whoever has a key that cannot wrap. */
export const unsuitableAdvice =
  'make a key of purpose ENCRYPT_DECRYPT, or of purpose ASYMMETRIC_DECRYPT with an algorithm RSA_DECRYPT_OAEP_*_SHA256';
