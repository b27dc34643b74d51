/** Requests and answers of Cloud KMS, and how their fields are read. */
import type { protos } from '@google-cloud/kms';

/** Action → its request and its answer. */
export interface KmsMessages {
  encrypt: [protos.google.cloud.kms.v1.IEncryptRequest, protos.google.cloud.kms.v1.IEncryptResponse];
  decrypt: [protos.google.cloud.kms.v1.IDecryptRequest, protos.google.cloud.kms.v1.IDecryptResponse];
  asymmetricDecrypt: [
    protos.google.cloud.kms.v1.IAsymmetricDecryptRequest,
    protos.google.cloud.kms.v1.IAsymmetricDecryptResponse,
  ];
  getPublicKey: [protos.google.cloud.kms.v1.IGetPublicKeyRequest, protos.google.cloud.kms.v1.IPublicKey];
  getCryptoKey: [protos.google.cloud.kms.v1.IGetCryptoKeyRequest, protos.google.cloud.kms.v1.ICryptoKey];
  getCryptoKeyVersion: [
    protos.google.cloud.kms.v1.IGetCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion,
  ];
  listCryptoKeyVersions: [
    protos.google.cloud.kms.v1.IListCryptoKeyVersionsRequest,
    protos.google.cloud.kms.v1.IListCryptoKeyVersionsResponse,
  ];
  testIamPermissions: [
    { readonly resource: string; readonly permissions: readonly string[] },
    { readonly permissions?: readonly string[] | null },
  ];
}

/** A field of bytes, in the memory in which it was decoded; undefined where there is none, or nothing in it. */
export function bytesOf(field: Uint8Array | string | null | undefined): Buffer | undefined {
  if (!(field instanceof Uint8Array) || field.length === 0) return undefined;
  return Buffer.from(field.buffer, field.byteOffset, field.byteLength);
}

/** The number in a wrapped integer of 64 bits, a checksum say. */
export function numberOf(field: { readonly value?: unknown } | null | undefined): number | undefined {
  const value = field?.value;
  if (value === undefined || value === null) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
