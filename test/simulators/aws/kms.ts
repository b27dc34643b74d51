/**
 * The operations of KMS that a client of somebody else's key may need, as a table from name to answer.
 *
 * Each one reads its fields, finds its key, checks permission, usage and state in this order, and works for real.
 * Source: the operations' pages in the KMS API reference and the model in `@aws-sdk/client-kms`.
 */
import { randomBytes } from 'node:crypto';
import { kmsError } from './errors.ts';
import {
  checkAlgorithm,
  currentMaterial,
  decryptUnder,
  type EncryptionParameters,
  encryptUnder,
} from './key-encryption.ts';
import type { KeyRecord, ResolvedKey } from './keys.ts';
import { checkPermission, checkState, checkUsage, type EncryptionAlgorithm } from './kms-access.ts';
import { listAliases, listResourceTags } from './kms-listing.ts';
import { describeKey, getKeyPolicy, getKeyRotationStatus, getPublicKey } from './kms-reading.ts';
import { type Answer, type KmsRequest, namedKey } from './kms-request.ts';
import { constraint, type RequestFields } from './request-fields.ts';

const longestPlaintext = 4096;
const longestCiphertext = 6144;
const algorithmNames = ['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const;
const dataKeyBytes = { AES_128: 16, AES_256: 32 } as const;

/** Every operation by the name behind `TrentService.`. */
export const kmsOperations: ReadonlyMap<string, (request: KmsRequest) => Answer> = new Map([
  ['GenerateDataKey', (request: KmsRequest): Answer => generateDataKey(request, 'GenerateDataKey')],
  ['GenerateDataKeyWithoutPlaintext', (request) => generateDataKey(request, 'GenerateDataKeyWithoutPlaintext')],
  ['Encrypt', encrypt],
  ['Decrypt', decrypt],
  ['ReEncrypt', reEncrypt],
  ['DescribeKey', describeKey],
  ['GetPublicKey', getPublicKey],
  ['GetKeyPolicy', getKeyPolicy],
  ['GetKeyRotationStatus', getKeyRotationStatus],
  ['ListAliases', listAliases],
  ['ListResourceTags', listResourceTags],
]);

async function generateDataKey(
  request: KmsRequest,
  operation: 'GenerateDataKey' | 'GenerateDataKeyWithoutPlaintext',
): Promise<Record<string, unknown>> {
  const { fields } = request;
  const resolved = namedKey(request, 'KeyId');
  const context = fields.context('EncryptionContext');
  const spec = fields.word('KeySpec', ['AES_128', 'AES_256']);
  const number = fields.integer('NumberOfBytes', { least: 1, most: 1024 });
  if ((spec === undefined) === (number === undefined)) {
    throw kmsError('ValidationException', 'Please specify either number of bytes or key spec.');
  }
  fields.refuseGrantTokens();
  const parameters: EncryptionParameters = { algorithm: 'SYMMETRIC_DEFAULT', context };
  admit(request, resolved, { operation, ...parameters });
  stopDryRun(request);
  const plaintext = randomBytes(spec === undefined ? (number ?? 0) : dataKeyBytes[spec]);
  const blob = await encryptUnder(resolved.key, plaintext, parameters);
  return {
    CiphertextBlob: blob.toString('base64'),
    ...(operation === 'GenerateDataKey' ? { Plaintext: plaintext.toString('base64') } : {}),
    KeyId: resolved.key.arn,
    KeyMaterialId: currentMaterial(resolved.key).id,
  };
}

async function encrypt(request: KmsRequest): Promise<Record<string, unknown>> {
  const { fields } = request;
  const resolved = namedKey(request, 'KeyId');
  const plaintext = fields.blob('Plaintext', longestPlaintext);
  const parameters = encryptionParameters(fields, 'EncryptionAlgorithm', 'EncryptionContext');
  fields.refuseGrantTokens();
  admit(request, resolved, { operation: 'Encrypt', ...parameters });
  const blob = await encryptUnder(resolved.key, plaintext, parameters);
  stopDryRun(request);
  return {
    CiphertextBlob: blob.toString('base64'),
    KeyId: resolved.key.arn,
    EncryptionAlgorithm: parameters.algorithm,
  };
}

async function decrypt(request: KmsRequest): Promise<Record<string, unknown>> {
  const { fields } = request;
  const blob = fields.blob('CiphertextBlob', longestCiphertext);
  const parameters = encryptionParameters(fields, 'EncryptionAlgorithm', 'EncryptionContext');
  fields.refuseGrantTokens();
  const resolved = keyOfBlob(request, blob, { field: 'KeyId', operation: 'Decrypt', ...parameters });
  const { plaintext, materialId } = await decryptUnder(resolved.key, blob, parameters);
  stopDryRun(request);
  return {
    KeyId: resolved.key.arn,
    Plaintext: plaintext.toString('base64'),
    EncryptionAlgorithm: parameters.algorithm,
    ...(materialId === undefined ? {} : { KeyMaterialId: materialId }),
  };
}

async function reEncrypt(request: KmsRequest): Promise<Record<string, unknown>> {
  const { fields } = request;
  const blob = fields.blob('CiphertextBlob', longestCiphertext);
  const from = encryptionParameters(fields, 'SourceEncryptionAlgorithm', 'SourceEncryptionContext');
  const to = encryptionParameters(fields, 'DestinationEncryptionAlgorithm', 'DestinationEncryptionContext');
  const destination = namedKey(request, 'DestinationKeyId');
  fields.refuseGrantTokens();
  const source = keyOfBlob(request, blob, { field: 'SourceKeyId', operation: 'ReEncryptFrom', ...from });
  admit(request, destination, { operation: 'ReEncryptTo', ...to });
  const { plaintext, materialId } = await decryptUnder(source.key, blob, from);
  const rewrapped = await encryptUnder(destination.key, plaintext, to);
  stopDryRun(request);
  const symmetric = to.algorithm === 'SYMMETRIC_DEFAULT';
  return {
    CiphertextBlob: rewrapped.toString('base64'),
    SourceKeyId: source.key.arn,
    KeyId: destination.key.arn,
    SourceEncryptionAlgorithm: from.algorithm,
    DestinationEncryptionAlgorithm: to.algorithm,
    ...(materialId === undefined ? {} : { SourceKeyMaterialId: materialId }),
    ...(symmetric ? { DestinationKeyMaterialId: currentMaterial(destination.key).id } : {}),
  };
}

interface Use extends EncryptionParameters {
  /** The permission's name without `kms:`. */
  readonly operation: string;
}

/** Lets a request use a key for encryption or decryption, or throws why not. */
function admit(request: KmsRequest, resolved: ResolvedKey, use: Use): void {
  const { principal, region } = request;
  const { algorithm, context, operation } = use;
  checkPermission(resolved, { principal, region, action: `kms:${operation}`, context, algorithm });
  checkUsage(resolved.key, 'ENCRYPT_DECRYPT', operation);
  checkAlgorithm(resolved.key, use);
  checkState(resolved.key);
}

/** The key that the request names, or for symmetric blobs the one that made the blob; admitted for the use. */
function keyOfBlob(request: KmsRequest, blob: Buffer, use: Use & { readonly field: string }): ResolvedKey {
  const { fields, keys } = request;
  const family = keys.familyOf(blob);
  if (fields.has(use.field)) {
    const named = namedKey(request, use.field);
    admit(request, named, use);
    if (family !== undefined && family !== named.key.family) throw kmsError('IncorrectKeyException', incorrectKey);
    return named;
  }
  if (use.algorithm !== 'SYMMETRIC_DEFAULT') throw constraint(use.field, 'not be null for an asymmetric key');
  if (family === undefined) throw kmsError('InvalidCiphertextException');
  const key = keys.memberIn(family, request.region);
  if (key === undefined || !mayUse(request, key, use)) throw kmsError('AccessDeniedException', unknownOrigin);
  const resolved = { key };
  admit(request, resolved, use);
  return resolved;
}

const incorrectKey = 'The key ID in the request does not identify a CMK that can perform this operation.';
const unknownOrigin =
  'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.';

/** Without a key id the answer must not tell a stranger which key made the blob. */
function mayUse(request: KmsRequest, key: KeyRecord, { operation, context, algorithm }: Use): boolean {
  const { principal, region } = request;
  try {
    checkPermission({ key }, { principal, region, action: `kms:${operation}`, context, algorithm });
    return true;
  } catch {
    return false;
  }
}

function encryptionParameters(fields: RequestFields, algorithm: string, context: string): EncryptionParameters {
  const chosen: EncryptionAlgorithm | undefined = fields.word(algorithm, algorithmNames);
  return { algorithm: chosen ?? 'SYMMETRIC_DEFAULT', context: fields.context(context) };
}

/** A dry run that got this far would have succeeded, and says so with an error. */
function stopDryRun(request: KmsRequest): void {
  if (!request.fields.flag('DryRun')) return;
  throw kmsError('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.');
}
