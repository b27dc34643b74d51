/** The raw-AES keyring of the official SDKs, enough of it to unwrap the data keys of their vectors. */
import { createDecipheriv } from 'node:crypto';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { KeyproxyError } from '../../src/base/errors.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { DataKey } from '../../src/envelope/data-key.ts';
import type { OpenRequest } from '../../src/envelope/decrypt.ts';
import { parseHeader } from '../../src/envelope/header.ts';
import { type Keyring, type Vector, vectorFile, vectorKey } from './esdk-vectors.ts';

const ciphers: Readonly<Record<number, 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm'>> = {
  16: 'aes-128-gcm',
  24: 'aes-192-gcm',
  32: 'aes-256-gcm',
};

/**
 * Reads a vector up to its data key, as a client with the vector's options would; `message` stands in for the vector's
 * own bytes. Throws where the header is refused or no key unwraps. The data key is the caller's to dispose of.
 */
export function prepareVector(vector: Vector, message = vectorFile(vector.ciphertext)): Required<OpenRequest> {
  const header = parseHeader(message, { maxEncryptedDataKeys: vector.maxEncryptedDataKeys ?? 0xffff });
  const required = Object.entries(vector.reproducedEncryptionContext ?? {}).filter(([name]) =>
    vector.requiredEncryptionContextKeys?.includes(name),
  );
  const full = EncryptionContext.of([...header.context.pairs, ...required]);
  const dataKey = unwrapWith(vector.keyring, header.entries, full);
  if (dataKey === undefined) throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error('no key unwrapped') });
  const requiredContext = EncryptionContext.of(required);
  return { message, header, dataKey, requiredContext, associatedData: Buffer.alloc(0) };
}

/** The first data key that `keyring` unwraps from the entries under the full context, or undefined. */
function unwrapWith(
  keyring: Keyring,
  entries: readonly EncryptedDataKey[],
  context: EncryptionContext,
): DataKey | undefined {
  switch (keyring.kind) {
    case 'dek':
      return adopt(keyring.b64 === undefined ? vectorKey(keyring.key ?? '') : Buffer.from(keyring.b64, 'base64'));
    case 'multi':
      return keyring.children.map((child) => unwrapWith(child, entries, context)).find((key) => key !== undefined);
    case 'raw-aes': {
      const key = vectorKey(keyring.key);
      return entries
        .filter((entry) => entry.providerId.equals(Buffer.from(keyring.provider)))
        .map((entry) => unwrapRawAes({ entry, key, name: Buffer.from(keyring.name), context }))
        .find((dataKey) => dataKey !== undefined);
    }
  }
}

/**
 * The data key of one raw-AES entry under `key`, or undefined where the entry is another key's.
 *
 *     info = name ‖ tag bits:u32 = 128 ‖ iv length:u32 = 12 ‖ iv
 *     ciphertext = AES-GCM(key, data key, AAD = ser(EC)) ‖ tag
 */
export function unwrapRawAes(request: {
  entry: EncryptedDataKey;
  key: Buffer;
  name: Buffer;
  context: EncryptionContext;
}): DataKey | undefined {
  const { entry, key, name, context } = request;
  const prefix = Buffer.concat([name, Buffer.from('000000800000000c', 'hex')]);
  const cipher = ciphers[key.length];
  if (cipher === undefined || entry.providerInfo.length !== prefix.length + 12) return undefined;
  if (!entry.providerInfo.subarray(0, prefix.length).equals(prefix)) return undefined;
  const decipher = createDecipheriv(cipher, key, entry.providerInfo.subarray(prefix.length));
  decipher.setAAD(context.serialized);
  decipher.setAuthTag(entry.ciphertext.subarray(-16));
  try {
    return adopt(Buffer.concat([decipher.update(entry.ciphertext.subarray(0, -16)), decipher.final()]));
  } catch {
    return undefined;
  }
}

function adopt(bytes: Buffer): DataKey {
  return DataKey.adopt(SecretBytes.adopt(bytes));
}
