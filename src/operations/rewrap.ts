/**
 * Rewrap: brings a wrapped DEK or a ciphertext under the tenant's current key. A wrapped DEK keeps its key. A
 * ciphertext is decrypted and encrypted again under a fresh message id: re-tagging an existing header would use a
 * GCM nonce twice and give the authentication key away (RFC 5116 section 5.1.1).
 */
import { KeyproxyError } from '../base/errors.ts';
import { encryptMessage } from '../envelope/encrypt.ts';
import { serializeWrappedDek } from '../envelope/wrapped-dek.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import { callerPairs, contextFor, type Pairs } from './context.ts';
import { type Admitted, verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';
import { openCiphertext } from './open-message.ts';
import { openWrappedDek } from './open-wrapped-dek.ts';

export interface RewrapRequest {
  readonly tenantId: string;
  readonly wrappedDek?: Buffer | undefined;
  readonly ciphertext?: Buffer | undefined;
  readonly encryptionContext: Pairs;
  readonly associatedData: Buffer;
  /** Empty: the tenant itself. */
  readonly targetTenantId: string;
}

export type RewrapAnswer =
  | { readonly wrappedDek: Buffer; readonly key: KeyInfo }
  | { readonly ciphertext: Buffer; readonly key: KeyInfo };

/** Makes the verb. */
export function rewrap(engine: Engine): Operation<RewrapRequest, RewrapAnswer> {
  return verb(engine, 'rewrap', {
    async run(call) {
      const { wrappedDek, ciphertext, targetTenantId } = call.request;
      if (targetTenantId !== '' && targetTenantId !== call.tenant.id) throw new KeyproxyError('CROSS_TENANT_DENIED');
      if (wrappedDek !== undefined && ciphertext === undefined) return await ofWrappedDek(engine, call, wrappedDek);
      if (ciphertext !== undefined && wrappedDek === undefined) return await ofCiphertext(engine, call, ciphertext);
      throw new KeyproxyError('REWRAP_INPUT_MISSING');
    },
    drop() {},
  });
}

async function ofWrappedDek(
  engine: Engine,
  { tenant, request, signal, record }: Admitted<RewrapRequest>,
  wrappedDek: Buffer,
): Promise<RewrapAnswer> {
  const context = contextFor(tenant.id, request.encryptionContext);
  const wish = { tenant, context, operation: 'rewrap', signal, record } as const;
  const opened = await openWrappedDek(engine, { ...wish, wrappedDek });
  using inUse = opened.inUse;
  opened.proven?.[Symbol.dispose]();
  const { kind, length, salt } = opened.wrapped;
  const { dataKey } = inUse.key;
  const { entries, info } = await engine.keys.rewrap(wish, inUse.key);
  const rewrapped = { kind, length, ...(salt && { salt }), entries, dataKey, tenantId: tenant.id, context };
  const answer = { wrappedDek: serializeWrappedDek(rewrapped), key: info };
  record.standsOn(inUse);
  return answer;
}

async function ofCiphertext(
  engine: Engine,
  { tenant, request, signal, record }: Admitted<RewrapRequest>,
  ciphertext: Buffer,
): Promise<RewrapAnswer> {
  const { associatedData, encryptionContext: pairs } = request;
  const wish = { tenant, operation: 'rewrap', signal, record } as const;
  const opened = await openCiphertext(engine, { ...wish, ciphertext, pairs, associatedData });
  try {
    const context = contextFor(tenant.id, callerPairs(opened.context), associatedData.length > 0);
    using root = await engine.keys.root({ ...wish, context });
    const { dataKey, entries, info } = root.key;
    const { plaintext } = opened;
    const rewritten = encryptMessage({ dataKey, entries, context, plaintext, associatedData });
    record.standsOn(root);
    return { ciphertext: rewritten, key: info };
  } finally {
    opened.plaintext.fill(0);
  }
}
