/** The messages of `proto/keyproxy/v1/keyproxy.proto`; names are those of the engine's requests and answers. */
import { bool, bytes, choiceOfBytes, message, number, repeated, secret, string, stringMap } from './protobuf/fields.ts';
import { Message } from './protobuf/message.ts';

export const keyInfo = new Message({ provider: string(1), keyId: string(2), keyVersion: string(3) });

/** `google.protobuf.Timestamp`, for times after 1970. */
export const timestamp = new Message({ seconds: number(1), nanos: number(2) });

export const generateDekRequest = new Message({
  tenantId: string(1),
  encryptionContext: stringMap(2),
  source: number(3),
  numberOfBytes: number(4),
  withoutPlaintext: bool(5),
});

export const generateDekResponse = new Message({
  plaintext: secret(1),
  wrappedDek: bytes(2),
  key: message(3, keyInfo),
  maxAgeSeconds: number(4),
});

export const unwrapRequest = new Message({
  tenantId: string(1),
  wrappedDek: bytes(2),
  encryptionContext: stringMap(3),
});

export const unwrapResponse = new Message({
  plaintext: secret(1),
  key: message(2, keyInfo),
  needsRewrap: bool(3),
  maxAgeSeconds: number(4),
});

export const encryptRequest = new Message({
  tenantId: string(1),
  plaintext: bytes(2),
  encryptionContext: stringMap(3),
  associatedData: bytes(4),
});

export const encryptResponse = new Message({ ciphertext: bytes(1), key: message(2, keyInfo) });

export const decryptRequest = new Message({
  tenantId: string(1),
  ciphertext: bytes(2),
  encryptionContext: stringMap(3),
  associatedData: bytes(4),
});

export const decryptResponse = new Message({
  plaintext: bytes(1),
  encryptionContext: stringMap(2),
  key: message(3, keyInfo),
  needsRewrap: bool(4),
});

export const rewrapRequest = new Message({
  tenantId: string(1),
  wrappedDek: choiceOfBytes(2),
  ciphertext: choiceOfBytes(3),
  encryptionContext: stringMap(4),
  associatedData: bytes(5),
  targetTenantId: string(6),
});

export const rewrapResponse = new Message({
  wrappedDek: choiceOfBytes(1),
  ciphertext: choiceOfBytes(2),
  key: message(3, keyInfo),
});

export const describeTenantRequest = new Message({ tenantId: string(1) });

const replica = new Message({ key: message(1, keyInfo), state: number(2), reason: string(3) });

export const describeTenantResponse = new Message({
  tenantId: string(1),
  state: number(2),
  reason: string(3),
  key: message(4, keyInfo),
  replicas: repeated(5, replica),
  cacheEntries: number(6),
  cacheHits: number(7),
  cacheMisses: number(8),
  lastSuccess: message(9, timestamp),
  lastRefusal: message(10, timestamp),
});
