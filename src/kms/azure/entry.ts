/**
 * What an entry of an Azure key looks like.
 *
 *     provider id   = "azure-key-vault"
 *     provider info = the full id of the key's version: https://{vault}/keys/{name}/{version}
 *     ciphertext    = Azure's own bytes: RSA-OAEP-256(data key), or A256KW(data key)
 *
 * An answer of Azure's does not say which version can open it, so the entry does. The algorithm is told by the length.
 */
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';

/** Marks entries that an Azure key wrapped. */
export const azureProviderId = 'azure-key-vault';

/** The algorithms, by Azure's names. */
export type WrapAlgorithm = 'RSA-OAEP-256' | 'A256KW';

const providerId = Buffer.from(azureProviderId);
/** A version's name (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates). */
const versionPattern = /^[0-9a-f]{32}$/;
const versionLength = 32;

/** Length of a ciphertext in bytes → the algorithm that made it: a modulus of RSA, or a data key and 8 bytes. */
const algorithms: ReadonlyMap<number, WrapAlgorithm> = new Map([
  ...[256, 384, 512].map((length) => [length, 'RSA-OAEP-256'] as const),
  ...[16, 24, 32, 64].map((length) => [length + 8, 'A256KW'] as const),
]);

/** Whether a name is one of a version; no other ever becomes part of a request. */
export function isVersion(name: string): boolean {
  return versionPattern.test(name);
}

/** Puts an entry together. `keyId` is without a version. */
export function azureEntry(keyId: string, version: string, ciphertext: Buffer): EncryptedDataKey {
  return { providerId, providerInfo: Buffer.from(`${keyId}/${version}`), ciphertext };
}

/** The version of a key that wrapped `entry`; undefined where the key did not. `keyId` is without a version. */
export function versionOf(entry: EncryptedDataKey, keyId: Buffer): string | undefined {
  const info = entry.providerInfo;
  const mine =
    entry.providerId.equals(providerId) &&
    info.length === keyId.length + 1 + versionLength &&
    info.subarray(0, keyId.length).equals(keyId) &&
    info[keyId.length] === 0x2f;
  if (!mine) return undefined;
  const version = info.toString('latin1', keyId.length + 1);
  return isVersion(version) ? version : undefined;
}

/** The algorithm that made a ciphertext, by its length; undefined for a length that none makes. */
export function algorithmOf(ciphertext: Buffer): WrapAlgorithm | undefined {
  return algorithms.get(ciphertext.length);
}
