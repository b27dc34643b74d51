/** Calls to a key service as the contract makes them, and what they must end with. */
import { expect } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { KmsError } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';

/** The calls of the port that go to the key service. */
export type KeyOperation = 'generate' | 'wrap' | 'unwrap';

/** The context of every call that is not about contexts. */
export const context: EncryptionContext = EncryptionContext.of([
  ['tenant_id', 'acme'],
  ['purpose', 'orders'],
]);

/** For calls that nobody gives up. */
export const never: AbortSignal = new AbortController().signal;

/** All of them. */
export const operations: readonly KeyOperation[] = ['generate', 'wrap', 'unwrap'];

/** One call of any kind. */
export async function run(
  operation: KeyOperation,
  service: KeyService,
  { entry, signal }: { entry: EncryptedDataKey; signal: AbortSignal },
): Promise<void> {
  using plaintext = SecretBytes.adopt(Buffer.alloc(32, 5));
  if (operation === 'generate') (await service.generate({ length: 32, context, signal })).plaintext[Symbol.dispose]();
  else if (operation === 'wrap') await service.wrap({ plaintext, context, signal });
  else (await service.unwrap({ entry, context, signal }))[Symbol.dispose]();
}

/** An entry of the service's, after a call that has learned and connected what there is to learn and connect. */
export async function warmed(service: KeyService): Promise<EncryptedDataKey> {
  const { plaintext, entry } = await service.generate({ length: 32, context, signal: never });
  plaintext[Symbol.dispose]();
  return entry;
}

/** A copy with one bit changed in the byte at `place`. */
export function flipped(bytes: Buffer, place: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[place] = (copy[place] ?? 0) ^ 0x01;
  return copy;
}

/** Requires that an entry does not open, for a reason that lies in its bytes. */
export async function expectDataFault(service: KeyService, entry: EncryptedDataKey, other = context): Promise<void> {
  const { fault } = await failureOf(service.unwrap({ entry, context: other, signal: never }));
  expect(fault).toEqual({ kind: 'data' });
}

/** The `KmsError` that a call must end with. */
export async function failureOf(call: Promise<unknown>): Promise<KmsError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof KmsError) return outcome;
  throw new Error(outcome === undefined ? 'the call succeeded' : 'the call threw something else', { cause: outcome });
}
