/**
 * How a key wraps. AWS KMS makes data keys under symmetric keys alone and takes an encryption context for them alone;
 * an RSA key wraps what keyproxy made, and binds nothing to it.
 */
import type { KeyMetadata } from '@aws-sdk/client-kms';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';

/** How a key wraps and how its entries are named. */
export interface KeyStyle {
  readonly kind: 'symmetric' | 'rsa';
  /** Marks its entries. The official SDKs open those of the first kind by themselves. */
  readonly providerId: Buffer;
}

/** A symmetric key: entries are those of the AWS Encryption SDK's own AWS KMS key ring. */
export const symmetricStyle: KeyStyle = { kind: 'symmetric', providerId: Buffer.from('aws-kms') };

/**
 * An RSA key. Names that begin `aws-kms` are reserved by the AWS Encryption SDK specification, and `aws-kms-rsa`
 * wraps more than the data key (docs/decisions/0002-aws-rsa-provider-id.md).
 */
export const rsaStyle: KeyStyle = { kind: 'rsa', providerId: Buffer.from('keyproxy-aws-kms-rsa') };

/** The one algorithm for RSA keys. */
export const rsaAlgorithm = 'RSAES_OAEP_SHA_256';

const styleOfSpec: Readonly<Record<string, KeyStyle>> = {
  SYMMETRIC_DEFAULT: symmetricStyle,
  RSA_2048: rsaStyle,
  RSA_3072: rsaStyle,
  RSA_4096: rsaStyle,
};

/** The style of a key as DescribeKey tells of it; undefined for one that cannot wrap (signing, HMAC, agreement). */
export function styleOfKey(key: KeyMetadata): KeyStyle | undefined {
  const { KeySpec: spec, KeyUsage: usage } = key;
  if (usage !== 'ENCRYPT_DECRYPT' || spec === undefined || !Object.hasOwn(styleOfSpec, spec)) return undefined;
  return styleOfSpec[spec];
}

/** The style of the key that wrapped `entry`, by the entry's provider id; undefined for another provider's. */
export function styleOfEntry(entry: EncryptedDataKey): KeyStyle | undefined {
  if (entry.providerId.equals(symmetricStyle.providerId)) return symmetricStyle;
  return entry.providerId.equals(rsaStyle.providerId) ? rsaStyle : undefined;
}
