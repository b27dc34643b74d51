/**
 * New data goes under several keys: the current one and its replicas, so that any of them can open it later.
 *
 * The current key's word is decisive: where its service refuses, nothing is written, and no replica is asked. Where it
 * gives no answer, the replicas stand in for it, in their order. A replica that does not answer yes is left out.
 */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import { isSilence } from '../kms/fault.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { ProviderNote } from '../kms/provider-note.ts';

/** What is to be wrapped, and for whom. */
export interface WriteRequest {
  readonly context: EncryptionContext;
  readonly signal: AbortSignal;
  /** Takes how the first service that answers calls the request. */
  readonly note?: ProviderNote | undefined;
}

/** The wrapped forms of one key, in the order of the keys. */
export interface Written {
  readonly entries: readonly EncryptedDataKey[];
  /** The first key that answered. */
  readonly service: KeyService;
}

/**
 * Makes a data key at the first key whose service answers, and wraps it for those that come after it. The plaintext is
 * the caller's to dispose of. Throws what the current key failed with.
 */
export async function generateForAll(
  ring: KeyRing,
  request: WriteRequest & { readonly length: number },
): Promise<Written & { readonly plaintext: SecretBytes }> {
  let silence: unknown;
  for (const [index, service] of ring.writers.entries()) {
    try {
      const { plaintext, entry } = await service.generate(request);
      try {
        const others = ring.writers.slice(index + 1);
        const { context, signal } = request;
        const more = await wrapForReplicas(others, [entry], (replica) => replica.wrap({ plaintext, context, signal }));
        return { plaintext, entries: [entry, ...more], service };
      } catch (error) {
        plaintext[Symbol.dispose]();
        throw error;
      }
    } catch (error) {
      if (index === 0 && !isSilence(error)) throw error;
      silence ??= error;
    }
  }
  throw silence;
}

/**
 * Wraps a key that exists for all keys of the ring. `known` are its wrapped forms so far: a provider that can wrap one
 * of them anew by itself does so, and a replica's stays where it cannot be renewed. Throws what the current key failed
 * with: the key before the replicas is what this is done for.
 */
export async function wrapForAll(
  ring: KeyRing,
  request: WriteRequest & { readonly plaintext: SecretBytes; readonly known: readonly EncryptedDataKey[] },
): Promise<Written> {
  const { current, writers } = ring;
  const { plaintext, known, context, signal } = request;
  const knownTo = (service: KeyService) => known.find((entry) => service.owns(entry));
  const renew = async (service: KeyService, note?: ProviderNote): Promise<EncryptedDataKey> => {
    const entry = knownTo(service);
    const inPlace = entry && service.rewrap?.({ entry, context, signal, note });
    return (await inPlace) ?? service.wrap({ plaintext, context, signal, note });
  };
  const first = await renew(current, request.note);
  const more = await wrapForReplicas(writers.slice(1), [first], (replica) => renew(replica), knownTo);
  return { entries: [first, ...more], service: current };
}

/** The entries of those replicas that answer yes, all asked at once. One that opens an entry already needs none. */
async function wrapForReplicas(
  replicas: readonly KeyService[],
  entries: readonly EncryptedDataKey[],
  wrap: (replica: KeyService) => Promise<EncryptedDataKey>,
  fallback: (replica: KeyService) => EncryptedDataKey | undefined = () => undefined,
): Promise<EncryptedDataKey[]> {
  const asked = replicas.filter((replica) => !entries.some((entry) => replica.owns(entry)));
  const wrapped = await Promise.all(asked.map((replica) => wrap(replica).catch(() => fallback(replica))));
  return wrapped.filter((entry) => entry !== undefined);
}
