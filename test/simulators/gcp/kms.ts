/** The methods of Cloud KMS and of its IAM policies that the simulator follows, by name. */
import type { SimulatedCloud } from './cloud.ts';
import type { Message } from './definitions.ts';
import { testIamPermissions } from './iam-policy.ts';
import { asymmetricDecrypt, decrypt, encrypt, generateRandomBytes } from './kms-crypto.ts';
import { getCryptoKey, getCryptoKeyVersion, getPublicKey, listCryptoKeyVersions } from './kms-reads.ts';
import type { TokenRecord } from './tokens.ts';

/** One authenticated request. */
export interface KmsRequest {
  readonly message: Message;
  readonly caller: TokenRecord;
  readonly cloud: SimulatedCloud;
}

/** Every other method of the two services is answered with UNIMPLEMENTED. */
export const kmsMethods: ReadonlyMap<string, (request: KmsRequest) => Message | Promise<Message>> = new Map<
  string,
  (request: KmsRequest) => Message | Promise<Message>
>([
  ['Encrypt', encrypt],
  ['Decrypt', decrypt],
  ['AsymmetricDecrypt', asymmetricDecrypt],
  ['GetPublicKey', getPublicKey],
  ['GetCryptoKey', getCryptoKey],
  ['GetCryptoKeyVersion', getCryptoKeyVersion],
  ['ListCryptoKeyVersions', listCryptoKeyVersions],
  ['GenerateRandomBytes', generateRandomBytes],
  ['TestIamPermissions', testIamPermissions],
]);
