/** Opens a key by the first of its wrapped forms that can be opened. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import { KmsError } from '../kms/fault.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import { isSilence } from './all-writers.ts';
import { kmsFailure } from './failures.ts';

/** A key that was opened, by whom, and whether a key before that one gave no answer. */
export interface Opened {
  readonly plaintext: SecretBytes;
  readonly by: OwnedEntry;
  readonly failedOver: boolean;
}

/**
 * Tries `owned` in its order. What the current key's service says is decisive, be it a refusal; only its silence, or
 * an entry that is not of its making, leads on to replicas and retired keys. Of those one that fails must not hide
 * another that lives, and no retired key stands in for a silent one. Throws the public failure: the current key's silence before all others.
 */
export async function firstToOpen(
  ring: KeyRing,
  owned: readonly OwnedEntry[],
  { context, signal }: { context: EncryptionContext; signal: AbortSignal },
): Promise<Opened> {
  let unfit: unknown;
  let unanswered: unknown;
  let notOpened: unknown;
  for (const by of owned) {
    // A retired key stands in for nobody.
    if (unanswered !== undefined && !ring.writers.includes(by.service)) continue;
    try {
      const plaintext = await by.service.unwrap({ entry: by.entry, context, signal });
      return { plaintext, by, failedOver: unanswered !== undefined };
    } catch (error) {
      const isUnfit = error instanceof KmsError && error.fault.kind === 'data';
      if (by.service === ring.current && !isUnfit && !isSilence(error)) throw kmsFailure(error);
      if (isUnfit) unfit ??= error;
      else if (ring.writers.includes(by.service) && isSilence(error)) unanswered ??= error;
      else notOpened ??= error;
    }
  }
  throw kmsFailure(unanswered ?? notOpened ?? unfit);
}
