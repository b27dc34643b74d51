/**
 * What every verb works with. A verb is a plain function of caller, request and signal; it knows neither gRPC nor
 * files nor metrics.
 */
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import { parseTenantId } from '../base/ids.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { EngineObserver } from './observer.ts';
import type { TenantKeys } from './tenant-keys.ts';

/** A verb: does one thing for one caller. Rejects with a `KeyproxyError`, or with the signal's reason. */
export type Operation<Request, Answer> = (caller: Caller, request: Request, signal: AbortSignal) => Promise<Answer>;

/** Decides whether a caller may work for a tenant at all. */
export type AccessRule = (caller: Caller, tenant: Tenant) => boolean;

export interface Engine {
  readonly registry: TenantRegistry;
  readonly keys: TenantKeys;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  readonly access: AccessRule;
}

/**
 * The one door to a tenant. Throws `TENANT_ID_INVALID` or `TENANT_UNKNOWN`; a tenant that the caller may not work
 * for looks like one that does not exist.
 */
export function tenantFor(engine: Engine, caller: Caller, tenantId: string): Tenant {
  const tenant = engine.registry.find(parseTenantId(tenantId));
  if (tenant === undefined || !engine.access(caller, tenant)) throw new KeyproxyError('TENANT_UNKNOWN');
  return tenant;
}
