/** Ready-made inputs of the message format for tests. */
import { createHash } from 'node:crypto';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { DataKey } from '../../src/envelope/data-key.ts';

/** `length` bytes that look random and are the same in every run, with `seed` telling apart. */
export function sampleBytes(length: number, seed = 'sample'): Buffer {
  return createHash('shake256', { outputLength: Math.max(length, 1) })
    .update(seed)
    .digest()
    .subarray(0, length);
}

/** A data key of `length` bytes. */
export function sampleDataKey(length = 32, seed = 'data key'): DataKey {
  return DataKey.adopt(SecretBytes.copyOf(sampleBytes(length, seed)));
}

/** An entry as an AWS key gives it. */
export const sampleEntry: EncryptedDataKey = {
  providerId: Buffer.from('aws-kms'),
  providerInfo: Buffer.from('arn:aws:kms:us-east-1:123456789012:key/abc-123'),
  ciphertext: sampleBytes(184, 'ciphertext blob'),
};

/** The context of a message without associated data. */
export const sampleContext = EncryptionContext.of([
  ['purpose', 'orders'],
  ['tenant_id', 'tenant_12345'],
]);

/** The same with the flag for associated data. */
export const flaggedContext = EncryptionContext.of([...sampleContext.pairs, ['keyproxy-ad', '1']]);

/** No bytes. */
export const nothing = Buffer.alloc(0);
