/**
 * The cryptographic methods of Cloud KMS.
 *
 * Source: google/cloud/kms/v1/service.proto: what each request may hold, its sizes, and when a `verified_` field is true.
 */
import { constants, privateDecrypt, randomBytes } from 'node:crypto';
import { open, seal } from './ciphertext.ts';
import { crc32c, crc32cValue } from './crc32c.ts';
import type { Message } from './definitions.ts';
import { demand } from './iam.ts';
import {
  askExternalManager,
  demandEnabled,
  demandPurpose,
  keyFor,
  type VersionOfKey,
  versionFor,
} from './key-access.ts';
import { factsOf, type ProtectionLevel } from './keys.ts';
import type { KmsRequest } from './kms.ts';
import { bytes, integer, text, wrappedInteger } from './message-fields.ts';
import { checkName, keyNameOf } from './resource-names.ts';
import { ServiceError } from './status.ts';

const useToEncrypt = 'cloudkms.cryptoKeyVersions.useToEncrypt';
const useToDecrypt = 'cloudkms.cryptoKeyVersions.useToDecrypt';

/** Under the named version, or under the primary of the named key. */
export function encrypt({ message, caller, cloud }: KmsRequest): Message {
  const name = text(message, 'name');
  const kind = checkName(name, 'name', ['key', 'version']);
  const access = { name, permission: useToEncrypt, principal: caller.principal };
  const used = kind === 'version' ? versionFor(cloud, access) : primaryOf(keyFor(cloud, access));
  demandEnabled(used.version);
  demandPurpose(used.key, 'ENCRYPT_DECRYPT');
  const plaintext = bytes(message, 'plaintext');
  const aad = bytes(message, 'additionalAuthenticatedData');
  checkSizes(used.key.protectionLevel, { plaintext, aad });
  const verifiedPlaintextCrc32c = verify(message, 'plaintext');
  const verifiedAdditionalAuthenticatedDataCrc32c = verify(message, 'additionalAuthenticatedData');
  askExternalManager(used);
  const ciphertext = seal(materialOf(used), plaintext, aad);
  return {
    name: used.version.name,
    ciphertext,
    ciphertextCrc32c: crc32cValue(ciphertext),
    verifiedPlaintextCrc32c,
    verifiedAdditionalAuthenticatedDataCrc32c,
    protectionLevel: used.version.protectionLevel,
  };
}

/** Under the version that the ciphertext names; the request names the key alone. */
export function decrypt({ message, caller, cloud }: KmsRequest): Message {
  const name = text(message, 'name');
  checkName(name, 'name', ['key']);
  const key = keyFor(cloud, { name, permission: useToDecrypt, principal: caller.principal });
  demandPurpose(key, 'ENCRYPT_DECRYPT');
  const ciphertext = bytes(message, 'ciphertext');
  const aad = bytes(message, 'additionalAuthenticatedData');
  if (ciphertext.length === 0) throw new ServiceError('INVALID_ARGUMENT', 'The ciphertext is empty.');
  checkSizes(key.protectionLevel, { plaintext: Buffer.alloc(0), aad });
  verify(message, 'ciphertext');
  verify(message, 'additionalAuthenticatedData');
  const version = cloud.keys.versionThatMade(ciphertext);
  if (version === undefined) throw undecryptable('the ciphertext is invalid.');
  if (keyNameOf(version.name) !== key.name) throw undecryptable("verify that 'name' refers to the correct CryptoKey.");
  demandEnabled(version);
  askExternalManager({ key, version });
  const plaintext = open(materialOf({ key, version }), ciphertext, aad);
  if (plaintext === undefined) throw undecryptable('the ciphertext is invalid.');
  return {
    plaintext,
    plaintextCrc32c: crc32cValue(plaintext),
    usedPrimary: key.primary === version,
    protectionLevel: version.protectionLevel,
  };
}

/** RSA with OAEP; digest and mask digest are the algorithm's. */
export async function asymmetricDecrypt({ message, caller, cloud }: KmsRequest): Promise<Message> {
  const name = text(message, 'name');
  checkName(name, 'name', ['version']);
  const used = versionFor(cloud, { name, permission: useToDecrypt, principal: caller.principal });
  demandEnabled(used.version);
  demandPurpose(used.key, 'ASYMMETRIC_DECRYPT');
  const ciphertext = bytes(message, 'ciphertext');
  if (ciphertext.length === 0) throw new ServiceError('INVALID_ARGUMENT', 'The ciphertext is empty.');
  const verifiedCiphertextCrc32c = verify(message, 'ciphertext');
  const plaintext = await openOaep(used, ciphertext);
  return {
    plaintext,
    plaintextCrc32c: crc32cValue(plaintext),
    verifiedCiphertextCrc32c,
    protectionLevel: used.version.protectionLevel,
  };
}

/** 8 to 1024 bytes from an HSM; there is no other source. */
export function generateRandomBytes({ message, caller, cloud }: KmsRequest): Message {
  const location = text(message, 'location');
  checkName(location, 'location', ['location']);
  const permission = 'cloudkms.locations.generateRandomBytes';
  demand(cloud.policies, { principal: caller.principal, permission, resource: location });
  const length = integer(message, 'lengthBytes');
  if (length < 8 || length > 1024) {
    throw new ServiceError('INVALID_ARGUMENT', 'The length must be between 8 and 1024 bytes.');
  }
  if (message['protectionLevel'] !== 'HSM') {
    throw new ServiceError('UNIMPLEMENTED', `The protection level ${message['protectionLevel']} is not supported.`);
  }
  const data = randomBytes(length);
  return { data, dataCrc32c: crc32cValue(data) };
}

function primaryOf(key: VersionOfKey['key']): VersionOfKey {
  // A key of another purpose has none either, and its purpose is the better thing to hear.
  demandPurpose(key, 'ENCRYPT_DECRYPT');
  if (key.primary === undefined) {
    throw new ServiceError('FAILED_PRECONDITION', `CryptoKey ${key.name} has no primary version.`);
  }
  return { key, version: key.primary };
}

function materialOf({ version }: VersionOfKey) {
  if (version.symmetric === undefined) throw new Error(`${version.name} is enabled and has no material`);
  return version.symmetric;
}

async function openOaep({ version }: VersionOfKey, ciphertext: Buffer): Promise<Buffer> {
  const { oaepHash } = factsOf(version.algorithm);
  if (version.pair === undefined || oaepHash === undefined) throw new Error(`${version.name} has no pair`);
  const { privateKey } = await version.pair();
  try {
    return privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, ciphertext);
  } catch {
    throw undecryptable('the ciphertext is invalid.');
  }
}

/** 64 KiB each; together 8 KiB where an HSM does it. */
function checkSizes(level: ProtectionLevel, { plaintext, aad }: { plaintext: Buffer; aad: Buffer }): void {
  const bounds =
    level === 'HSM'
      ? { 'plaintext and additional_authenticated_data': [plaintext.length + aad.length, 8 * 1024] }
      : { plaintext: [plaintext.length, 64 * 1024], additional_authenticated_data: [aad.length, 64 * 1024] };
  for (const [field, [length = 0, most = 0]] of Object.entries(bounds)) {
    if (length <= most) continue;
    throw new ServiceError(
      'INVALID_ARGUMENT',
      `The length of ${field} is ${length} bytes, at most ${most} are allowed.`,
    );
  }
}

/** Whether a checksum came with the field; throws INVALID_ARGUMENT when it is not the field's. */
function verify(message: Message, field: string): boolean {
  const sent = wrappedInteger(message, `${field}Crc32c`);
  if (sent === undefined) return false;
  if (sent === BigInt(crc32c(bytes(message, field)))) return true;
  throw new ServiceError('INVALID_ARGUMENT', `The checksum in ${field}_crc32c did not match the data in ${field}.`);
}

function undecryptable(why: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', `Decryption failed: ${why}`);
}
