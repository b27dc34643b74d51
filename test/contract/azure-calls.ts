/** Calls to a key of Azure as its tests make them. */
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, never } from './calls.ts';

/** A data key of the usual length. */
export const request = { length: 32, context, signal: never } as const;
/** In milliseconds. */
export const minute = 60_000;
/** In milliseconds. */
export const day: number = 24 * 60 * minute;

/** The entry of a new data key, which nobody uses. */
export async function generated(service: KeyService): Promise<EncryptedDataKey> {
  const { plaintext, entry } = await service.generate(request);
  plaintext[Symbol.dispose]();
  return entry;
}

/** Requires that an entry opens. */
export async function opened(service: KeyService, entry: EncryptedDataKey): Promise<void> {
  (await service.unwrap({ entry, context, signal: never }))[Symbol.dispose]();
}
