/** GenerateDEK: a data key for the caller and its wrapped form, from the tenant's root or from the key service. */
import { randomFillSync } from 'node:crypto';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import { SecretBytes } from '../base/secret.ts';
import { serializeWrappedDek } from '../envelope/wrapped-dek.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { CallRecord } from './audit-trail.ts';
import { contextFor, type Pairs } from './context.ts';
import { verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';

/** `keyproxy.v1.DekSource` by number. */
export const dekSources = { unspecified: 0, derived: 1, kms: 2 } as const;

/** Lengths that a data key may have, in bytes. */
export const dekLengths: readonly number[] = [16, 24, 32, 64];

const saltBytes = 32;

export interface GenerateDekRequest {
  readonly tenantId: string;
  readonly encryptionContext: Pairs;
  /** One of `dekSources`. */
  readonly source: number;
  /** 0 for 32. */
  readonly numberOfBytes: number;
  readonly withoutPlaintext: boolean;
}

export interface GenerateDekAnswer {
  /** The caller's to dispose of; absent where it was not asked for. */
  readonly plaintext?: SecretBytes;
  readonly wrappedDek: Buffer;
  readonly key: KeyInfo;
  readonly maxAgeSeconds: number;
}

interface Wish {
  readonly tenant: Tenant;
  readonly context: EncryptionContext;
  readonly length: number;
  readonly withPlaintext: boolean;
  readonly signal: AbortSignal;
  readonly record: CallRecord;
}

/** Makes the verb. */
export function generateDek(engine: Engine): Operation<GenerateDekRequest, GenerateDekAnswer> {
  return verb(engine, 'generate_dek', {
    async run({ tenant, request, signal, record }) {
      const wish: Wish = {
        tenant,
        context: contextFor(tenant.id, request.encryptionContext),
        length: lengthOf(request.numberOfBytes),
        withPlaintext: !request.withoutPlaintext,
        ...{ signal, record },
      };
      return await (sourceOf(request.source, tenant) === 'kms' ? fromKeyService(engine, wish) : fromRoot(engine, wish));
    },
    drop: ({ plaintext }) => plaintext?.[Symbol.dispose](),
  });
}

function lengthOf(numberOfBytes: number): number {
  const length = numberOfBytes === 0 ? 32 : numberOfBytes;
  if (!dekLengths.includes(length)) throw new KeyproxyError('DEK_LENGTH_INVALID');
  return length;
}

function sourceOf(source: number, tenant: Tenant): 'derived' | 'kms' {
  switch (source) {
    case dekSources.unspecified:
      return tenant.settings.dekSource;
    case dekSources.derived:
      return 'derived';
    case dekSources.kms:
      return 'kms';
    default:
      throw new KeyproxyError('DEK_SOURCE_INVALID');
  }
}

async function fromKeyService(engine: Engine, wish: Wish): Promise<GenerateDekAnswer> {
  const { tenant, context, length, signal, record } = wish;
  using fresh = await engine.keys.fresh({ tenant, context, operation: 'generate_dek', signal, record }, length);
  const { dataKey, entries, info } = fresh.key;
  const wrappedDek = serializeWrappedDek({ kind: 1, length, entries, dataKey, tenantId: tenant.id, context });
  record.standsOn(fresh);
  return {
    ...(wish.withPlaintext && { plaintext: SecretBytes.copyOf(dataKey.secret.reveal()) }),
    wrappedDek,
    key: info,
    maxAgeSeconds: fresh.maxAgeSeconds,
  };
}

async function fromRoot(engine: Engine, wish: Wish): Promise<GenerateDekAnswer> {
  const { tenant, context, length, signal, record } = wish;
  using root = await engine.keys.root({ tenant, context, operation: 'generate_dek', signal, record });
  const start = engine.clock.monotonic();
  const { dataKey, entries, info } = root.key;
  const salt = randomFillSync(Buffer.allocUnsafe(saltBytes));
  const wrappedDek = serializeWrappedDek({ kind: 2, length, salt, entries, dataKey, tenantId: tenant.id, context });
  record.standsOn(root);
  const answer: GenerateDekAnswer = {
    ...(wish.withPlaintext && { plaintext: dataKey.derive(salt, length, tenant.id, context) }),
    wrappedDek,
    key: info,
    maxAgeSeconds: root.maxAgeSeconds,
  };
  engine.observer.dekGenerated('derived', (engine.clock.monotonic() - start) / 1000);
  return answer;
}
