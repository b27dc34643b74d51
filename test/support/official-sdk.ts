/** The official JavaScript SDK as other people use it: its own raw-AES keyring, and a keyring written for one key. */
import { createCipheriv } from 'node:crypto';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  KeyringNode,
  KeyringTraceFlag,
  type NodeDecryptionMaterial,
  type NodeEncryptionMaterial,
  type EncryptedDataKey as OfficialEntry,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../src/base/encryption-context.ts';
import { sampleBytes } from './sample-message.ts';

/** The key that wraps data keys on both sides, its name and its namespace. */
export const wrappingKey = { key: sampleBytes(32, 'wrapping key'), name: 'kek-1', namespace: 'keyproxy-local' };

/** A client that reads committing suites alone, as the SDK does by default. */
export const strictClient = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

/** A client that writes the suites without commitment. */
export const olderClient = buildClient(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT);

/** The SDK's numbers of suites. */
export const officialSuites = AlgorithmSuiteIdentifier;

/** The SDK's own raw-AES keyring over `wrappingKey`. */
export function rawAesKeyring(): RawAesKeyringNode {
  return new RawAesKeyringNode({
    keyName: wrappingKey.name,
    keyNamespace: wrappingKey.namespace,
    // The SDK refuses memory that it shares with others.
    unencryptedMasterKey: Uint8Array.from(wrappingKey.key),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    utf8Sorting: true,
  });
}

/** The entry that the raw-AES keyring would write for `dek`. */
export function rawAesEntry(dek: Buffer, context: EncryptionContext): EncryptedDataKey {
  const iv = sampleBytes(12, `iv of ${context.serialized.toString('hex')}`);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey.key, iv).setAAD(context.serialized);
  return {
    providerId: Buffer.from(wrappingKey.namespace),
    providerInfo: Buffer.concat([Buffer.from(wrappingKey.name), Buffer.from('000000800000000c', 'hex'), iv]),
    ciphertext: Buffer.concat([cipher.update(dek), cipher.final(), cipher.getAuthTag()]),
  };
}

/** Opens messages of any provider, with a data key that the owner's own tool has unwrapped. */
export class UnwrappedKeyKeyring extends KeyringNode {
  readonly #unwrap: (entry: OfficialEntry) => Promise<Uint8Array | undefined>;

  constructor(unwrap: (entry: OfficialEntry) => Promise<Uint8Array | undefined>) {
    super();
    this.#unwrap = unwrap;
  }

  async _onDecrypt(material: NodeDecryptionMaterial, entries: OfficialEntry[]): Promise<NodeDecryptionMaterial> {
    for (const entry of entries) {
      const dek = await this.#unwrap(entry);
      const trace = {
        keyNamespace: entry.providerId,
        keyName: entry.providerInfo,
        flags: KeyringTraceFlag.WRAPPING_KEY_DECRYPTED_DATA_KEY,
      };
      if (dek !== undefined) return material.setUnencryptedDataKey(dek, trace);
    }
    return material;
  }

  async _onEncrypt(): Promise<NodeEncryptionMaterial> {
    throw new Error('this keyring only opens');
  }
}
