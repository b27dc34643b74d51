/** What DescribeKey tells about a key. */
import { stateOf } from './custom-key-store.ts';
import { algorithmsOf, currentMaterial } from './key-encryption.ts';
import type { KeyRecord } from './keys.ts';

/** `KeyMetadata` as JSON 1.1 has it: times are seconds since 1970. */
export function keyMetadata(key: KeyRecord): Record<string, unknown> {
  return {
    AWSAccountId: key.accountId,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: key.createdAt / 1000,
    Enabled: stateOf(key) === 'Enabled',
    Description: '',
    KeyUsage: key.usage,
    KeyState: stateOf(key),
    ...(key.deletionDate === undefined ? {} : { DeletionDate: key.deletionDate / 1000 }),
    Origin: key.store?.type ?? 'AWS_KMS',
    ...(key.store === undefined ? {} : { CustomKeyStoreId: key.store.id }),
    KeyManager: 'CUSTOMER',
    CustomerMasterKeySpec: key.spec,
    KeySpec: key.spec,
    ...algorithms(key),
    ...multiRegion(key),
    ...(key.spec === 'SYMMETRIC_DEFAULT' ? { CurrentKeyMaterialId: currentMaterial(key).id } : {}),
  };
}

/** The one list of algorithms that a key's usage has. */
export function algorithms(key: KeyRecord): Record<string, readonly string[]> {
  switch (key.usage) {
    case 'ENCRYPT_DECRYPT':
      return { EncryptionAlgorithms: algorithmsOf(key) };
    case 'GENERATE_VERIFY_MAC':
      return { MacAlgorithms: ['HMAC_SHA_256'] };
    case 'SIGN_VERIFY':
      return { SigningAlgorithms: key.spec === 'ECC_NIST_P256' ? ['ECDSA_SHA_256'] : rsaSigning };
  }
}

const rsaSigning = ['PKCS1_V1_5', 'PSS'].flatMap((scheme) =>
  ['256', '384', '512'].map((bits) => `RSASSA_${scheme}_SHA_${bits}`),
);

/** The first key of a family is its primary; the others are replicas. */
function multiRegion(key: KeyRecord): Record<string, unknown> {
  if (!key.keyId.startsWith('mrk-')) return { MultiRegion: false };
  const members = [...key.family.members.values()].map(({ arn, region }) => ({ Arn: arn, Region: region }));
  const [primary, ...replicas] = members;
  return {
    MultiRegion: true,
    MultiRegionConfiguration: {
      MultiRegionKeyType: primary?.Arn === key.arn ? 'PRIMARY' : 'REPLICA',
      PrimaryKey: primary,
      ReplicaKeys: replicas,
    },
  };
}
