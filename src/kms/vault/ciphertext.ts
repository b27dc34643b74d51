/**
 * What keyproxy keeps of a wrapped data key.
 *
 *     provider id    "vault-transit"
 *     provider info  ‹key id› "/" ‹version›             https://vault.example.com/v1/transit/keys/orders/3
 *     ciphertext     "vault:v" ‹version› ":" ‹base64›   exactly as Vault gave it, so that its own tools open it
 */
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';

/** Marks entries of this provider. */
export const providerId: Buffer = Buffer.from('vault-transit');

const version = '[1-9]\\d{0,9}';
const versionPattern = new RegExp(`^${version}$`);
const ciphertextPattern = new RegExp(`^vault:v(${version}):([A-Za-z0-9+/]+={0,2})$`);

/** A ciphertext in Vault's own form, and what can be read from it. */
export interface Ciphertext {
  readonly text: string;
  readonly version: string;
  /** How many bytes follow the version. */
  readonly length: number;
}

/** Reads a ciphertext; undefined for any but the one form that Vault writes, base64 in its canonical form included. */
export function readCiphertext(text: string): Ciphertext | undefined {
  const [, found, base64] = ciphertextPattern.exec(text) ?? [];
  if (found === undefined || base64 === undefined) return undefined;
  // Vault ignores the bits after the last byte: without this there would be several spellings of one entry.
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? { text, version: found, length: bytes.length } : undefined;
}

/** The version that an entry's name bears, where it is `keyId`'s; undefined for another key's. */
export function versionOf(entry: EncryptedDataKey, keyId: Buffer): string | undefined {
  const { providerInfo: info } = entry;
  if (!entry.providerId.equals(providerId) || info.length > keyId.length + 11) return undefined;
  if (!info.subarray(0, keyId.length).equals(keyId) || info[keyId.length] !== 0x2f) return undefined;
  const found = info.toString('latin1', keyId.length + 1);
  return versionPattern.test(found) ? found : undefined;
}

/** The entry for a ciphertext of a key. */
export function entryOf(keyId: string, { text, version }: Ciphertext): EncryptedDataKey {
  return {
    providerId,
    providerInfo: Buffer.from(`${keyId}/${version}`, 'utf8'),
    ciphertext: Buffer.from(text, 'latin1'),
  };
}
