/** DescribeTenant: what state a tenant is in, its key, and what its cache and key service did lately. */
import type { KeyInfo } from '../kms/key-service.ts';
import type { Contact, TenantState } from '../tenants/tenant.ts';
import { verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';

export interface DescribeTenantRequest {
  readonly tenantId: string;
}

export interface DescribeTenantAnswer {
  readonly tenantId: string;
  readonly state: TenantState;
  readonly key: KeyInfo;
  /** The keys that stand in for it where its service gives no answer, in their order. */
  readonly replicas: readonly { readonly key: KeyInfo; readonly state: TenantState }[];
  readonly cacheEntries: number;
  /** Requests that the cache, or a call already under way, could answer. */
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly contact: Readonly<Contact>;
}

/** Makes the verb. It calls no key service. */
export function describeTenant(engine: Engine): Operation<DescribeTenantRequest, DescribeTenantAnswer> {
  return verb(engine, 'describe_tenant', {
    run: async ({ tenant }) => ({
      tenantId: tenant.id,
      state: tenant.state,
      key: { provider: tenant.provider, keyId: tenant.keyIds[0], keyVersion: '' },
      replicas: tenant.replicas.map((replica) => ({
        key: { ...replica, keyVersion: '' },
        state: tenant.stateOfKey(replica.keyId),
      })),
      cacheEntries: engine.keys.count(tenant.id),
      cacheHits: tenant.figures.hits,
      cacheMisses: tenant.figures.misses,
      contact: tenant.contact,
    }),
    drop() {},
  });
}
