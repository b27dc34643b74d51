/**
 * What every verb works with. A verb is a plain function of caller, request and signal; it knows neither gRPC nor
 * files nor metrics.
 */
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { AuditTrail } from './audit-trail.ts';
import type { EngineObserver } from './observer.ts';
import type { Standings } from './standing.ts';
import type { TenantKeys } from './tenant-keys.ts';

/** A verb: does one thing for one caller. Rejects with a `KeyproxyError`, or with the signal's reason. */
export type Operation<Request, Answer> = (caller: Caller, request: Request, signal: AbortSignal) => Promise<Answer>;

export interface Engine {
  readonly registry: TenantRegistry;
  readonly keys: TenantKeys;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  /** What callers may do, and how much of it. */
  readonly standings: Standings;
  readonly audit: AuditTrail;
}
