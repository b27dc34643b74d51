/** Puts the watch of a key around its service: it learns from every call. */
import type { Clock } from '../base/clock.ts';
import { copyOfEntry, type EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import { decorated } from '../kms/decorated.ts';
import type { KeyService } from '../kms/key-service.ts';
import { type Canary, hashOf } from './canary.ts';
import type { KeyWatch } from './key-watch.ts';
import type { Wrapped } from './samples.ts';

/** The same key service, whose answers `watch` and `canary` learn from. Takes `service` over. */
export function watched(
  service: KeyService,
  { watch, canary, clock }: { watch: KeyWatch; canary: Canary; clock: Clock },
): KeyService {
  const told = decorated(service, async (_operation, signal, call) => {
    const sentAt = clock.monotonic();
    try {
      return await call(signal);
    } catch (error) {
      watch.failed(error, sentAt);
      throw error;
    }
  });
  const { rewrap } = told;
  const sampleOf = (entry: EncryptedDataKey, context: EncryptionContext, plaintext: SecretBytes): Wrapped => ({
    ...{ entry: copyOfEntry(entry), context, hash: hashOf(plaintext) },
  });
  const sawWrap = (entry: EncryptedDataKey): EncryptedDataKey => {
    canary.sawWrap(told.describe(entry).keyVersion);
    return entry;
  };
  return {
    ...told,
    get answers() {
      return told.answers;
    },
    async generate(request) {
      watch.samples.wantedUnder(request.context);
      const made = await told.generate(request);
      watch.samples.saw(sampleOf(sawWrap(made.entry), request.context, made.plaintext));
      return made;
    },
    async wrap(request) {
      watch.samples.wantedUnder(request.context);
      const entry = sawWrap(await told.wrap(request));
      watch.samples.saw(sampleOf(entry, request.context, request.plaintext));
      return entry;
    },
    async unwrap(request) {
      watch.samples.wantedUnder(request.context);
      const sentAt = clock.monotonic();
      const plaintext = await told.unwrap(request);
      if (canary.isCurrent(told.describe(request.entry).keyVersion)) watch.proven(sentAt);
      if (!watch.samples.has(request.context)) watch.samples.saw(sampleOf(request.entry, request.context, plaintext));
      return plaintext;
    },
    ...(rewrap && {
      rewrap: async (request: Parameters<typeof rewrap>[0]) => sawWrap(await rewrap(request)),
    }),
  };
}
