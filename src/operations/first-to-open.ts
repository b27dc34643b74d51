/** Opens a key by the first of its wrapped forms that can be opened. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import { isSilence, KmsError } from '../kms/fault.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { ProviderNote } from '../kms/provider-note.ts';
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
 * another that lives, and no retired key stands in for a silent one. Where only replicas wrapped a key, the current one
 * is asked whether it may be used at all: a customer who disables it must not find data that its replicas still open.
 * Throws the public failure: the current key's silence before all others.
 */
export async function firstToOpen(
  ring: KeyRing,
  owned: readonly OwnedEntry[],
  { context, signal, note }: { context: EncryptionContext; signal: AbortSignal; note?: ProviderNote | undefined },
): Promise<Opened> {
  let unfit: unknown;
  let unanswered = isOfReplicas(ring, owned) ? await silenceOf(ring.current, { context, signal }) : undefined;
  let notOpened: unknown;
  for (const by of owned) {
    // A retired key stands in for nobody.
    if (unanswered !== undefined && !ring.writers.includes(by.service)) continue;
    try {
      const plaintext = await by.service.unwrap({ entry: by.entry, context, signal, note });
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

function isOfReplicas(ring: KeyRing, owned: readonly OwnedEntry[]): boolean {
  const services = owned.map(({ service }) => service);
  return !services.includes(ring.current) && services.some((service) => ring.writers.includes(service));
}

/**
 * Has a key make a data key, for nothing but its yes. Returns the failure where its service is silent; throws the public
 * failure where it answers anything else.
 */
async function silenceOf(
  key: KeyService,
  { context, signal }: { context: EncryptionContext; signal: AbortSignal },
): Promise<unknown> {
  try {
    const { plaintext } = await key.generate({ length: 32, context, signal });
    plaintext[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (isSilence(error)) return error;
    throw kmsFailure(error);
  }
}
