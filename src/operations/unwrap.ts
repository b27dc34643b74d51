/** Unwrap: the data key inside a wrapped DEK. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import { SecretBytes } from '../base/secret.ts';
import type { DataKey } from '../envelope/data-key.ts';
import type { WrappedDek } from '../envelope/wrapped-dek.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { CallRecord } from './audit-trail.ts';
import { contextFor, type Pairs } from './context.ts';
import { failedDecryption } from './decryption.ts';
import { verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';
import type { KeyInUse } from './key-in-use.ts';
import { openWrappedDek } from './open-wrapped-dek.ts';

export interface UnwrapRequest {
  readonly tenantId: string;
  readonly wrappedDek: Buffer;
  /** The pairs that it was made with. */
  readonly encryptionContext: Pairs;
}

/** Dispose of it once the plaintext has been used. */
export interface UnwrapAnswer extends Disposable {
  /** Shared with others who unwrap the same bytes: it goes with the answer. */
  readonly plaintext: SecretBytes;
  readonly key: KeyInfo;
  readonly needsRewrap: boolean;
  readonly maxAgeSeconds: number;
}

/** Makes the verb. */
export function unwrap(engine: Engine): Operation<UnwrapRequest, UnwrapAnswer> {
  return verb(engine, 'unwrap', {
    async run({ tenant, request, signal, record }) {
      const context = contextFor(tenant.id, request.encryptionContext);
      const { wrappedDek } = request;
      try {
        const wish = { tenant, wrappedDek, context, operation: 'unwrap', signal, record } as const;
        const opened = await openWrappedDek(engine, wish);
        using inUse = opened.inUse;
        const { dataKey, proven, info } = inUse.key;
        const lease = opened.proven ?? proven.keep(wrappedDek, plaintextOf(opened.wrapped, dataKey, tenant, context));
        confirm(record, inUse, lease);
        engine.observer.decryptionEnded(tenant.id);
        return {
          plaintext: lease.value,
          key: info,
          needsRewrap: !inUse.isCurrent,
          maxAgeSeconds: inUse.maxAgeSeconds,
          [Symbol.dispose]: () => lease[Symbol.dispose](),
        };
      } catch (error) {
        throw failedDecryption(engine, tenant, error);
      }
    },
    drop: (answer) => answer[Symbol.dispose](),
  });
}

/** The last look before an answer that nobody takes back; lets go of what would have been in it. */
function confirm(record: CallRecord, inUse: KeyInUse, plaintext: Disposable): void {
  try {
    record.standsOn(inUse);
  } catch (error) {
    plaintext[Symbol.dispose]();
    throw error;
  }
}

/** The data key itself: what the provider unwrapped, or what is derived from it. */
function plaintextOf(wrapped: WrappedDek, dataKey: DataKey, tenant: Tenant, context: EncryptionContext): SecretBytes {
  if (wrapped.salt === undefined) return SecretBytes.copyOf(dataKey.secret.reveal());
  return dataKey.derive(wrapped.salt, wrapped.length, tenant.id, context);
}
