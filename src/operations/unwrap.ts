/** Unwrap: the data key inside a wrapped DEK. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import { SecretBytes } from '../base/secret.ts';
import type { DataKey } from '../envelope/data-key.ts';
import type { WrappedDek } from '../envelope/wrapped-dek.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { contextFor, type Pairs } from './context.ts';
import { decryption } from './decryption.ts';
import { type Engine, type Operation, tenantFor } from './engine.ts';
import { openWrappedDek } from './open-wrapped-dek.ts';

export interface UnwrapRequest {
  readonly tenantId: string;
  readonly wrappedDek: Buffer;
  /** The pairs that it was made with. */
  readonly encryptionContext: Pairs;
}

export interface UnwrapAnswer {
  /** The caller's to dispose of. */
  readonly plaintext: SecretBytes;
  readonly key: KeyInfo;
  readonly needsRewrap: boolean;
  readonly maxAgeSeconds: number;
}

/** Makes the verb. */
export function unwrap(engine: Engine): Operation<UnwrapRequest, UnwrapAnswer> {
  return async (caller, request, signal) => {
    const tenant = tenantFor(engine, caller, request.tenantId);
    const context = contextFor(tenant.id, request.encryptionContext);
    return decryption(engine, tenant, async () => {
      const { wrappedDek } = request;
      const opened = await openWrappedDek(engine, { tenant, wrappedDek, context, operation: 'unwrap', signal });
      using inUse = opened.inUse;
      return {
        plaintext: plaintextOf(opened.wrapped, inUse.key.dataKey, tenant, context),
        key: inUse.key.info,
        needsRewrap: !inUse.isCurrent,
        maxAgeSeconds: inUse.maxAgeSeconds,
      };
    });
  };
}

/** The data key itself: what the provider unwrapped, or what is derived from it. */
function plaintextOf(wrapped: WrappedDek, dataKey: DataKey, tenant: Tenant, context: EncryptionContext): SecretBytes {
  if (wrapped.salt === undefined) return SecretBytes.copyOf(dataKey.secret.reveal());
  return dataKey.derive(wrapped.salt, wrapped.length, tenant.id, context);
}
