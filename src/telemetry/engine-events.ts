/** The engine's business events: each is one function that keeps metric and log together. */

import type { Clock } from '../base/clock.ts';
import type { Reason } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { CacheOperation, CacheResult, EngineObserver } from '../operations/observer.ts';
import type { Log } from './log.ts';
import { type Metrics, TenantLabels } from './metrics.ts';
import { SparingLog } from './sparing-log.ts';
import type { Tally } from './tally.ts';

/** What is counted for one tenant, or for all beyond the bound on labels. */
class TenantTallies {
  readonly decryptRequests: Tally;
  readonly #metrics: Metrics;
  readonly #tenant: string;
  readonly #cache: Partial<Record<CacheOperation, Partial<Record<CacheResult, Tally>>>> = {};

  constructor(metrics: Metrics, tenant: string) {
    this.#metrics = metrics;
    this.#tenant = tenant;
    this.decryptRequests = metrics.decryptRequests.tally({ tenant });
    // Prometheus does not see what a series begins with, and this one tells of attacks.
    metrics.decryptFailures.inc({ tenant, reason: 'DECRYPT_FAILED' }, 0);
  }

  cache(operation: CacheOperation, result: CacheResult): Tally {
    this.#cache[operation] ??= {};
    const byResult = this.#cache[operation];
    byResult[result] ??= this.#metrics.cacheRequests.tally({ tenant: this.#tenant, operation, result });
    return byResult[result];
  }
}

/** A tenant with the keys that can stand in for its first. */
interface TenantOfReplicas {
  readonly id: TenantId;
  readonly replicas: readonly { readonly provider: string }[];
}

/** What the engine reports to. */
export interface EngineEvents extends EngineObserver {
  /** A tenant is served from now on. */
  served(tenant: TenantOfReplicas): void;
}

/** Makes it. */
export function engineEvents(metrics: Metrics, log: Log, clock: Clock): EngineEvents {
  const labels = new TenantLabels();
  const tenants = new Map<string, TenantTallies>();
  const sparing = new SparingLog(clock);
  const seconds = {
    derived: metrics.dekSeconds.labels({ source: 'derived' }),
    kms: metrics.dekSeconds.labels({ source: 'kms' }),
  };
  const talliesOf = (tenant: TenantId): TenantTallies => {
    const label = labels.of(tenant);
    let tallies = tenants.get(label);
    if (tallies === undefined) {
      tallies = new TenantTallies(metrics, label);
      tenants.set(label, tallies);
    }
    return tallies;
  };
  return {
    served({ id, replicas }) {
      // There before they are needed. Not every reason of a failure: that would be some twenty series for each tenant.
      talliesOf(id);
      for (const { provider } of replicas) metrics.failovers.inc({ tenant: labels.of(id), provider }, 0);
    },
    cacheAsked: (tenant, operation, result) => talliesOf(tenant).cache(operation, result).inc(),
    dekGenerated: (source, elapsed) => seconds[source].observe(elapsed),
    failedOver: (tenant, provider) => metrics.failovers.inc({ tenant: labels.of(tenant), provider }),
    decryptionEnded(tenant: TenantId, failure?: Reason, why?: string) {
      talliesOf(tenant).decryptRequests.inc();
      if (failure === undefined) return;
      metrics.decryptFailures.inc({ tenant: labels.of(tenant), reason: failure });
      log.debug({ tenant, reason: failure, why }, 'a decryption failed');
    },
    accessDenied({ caller, tenant, operation }) {
      metrics.accessDenied.inc({ operation });
      // The tenant is of the caller's choice.
      sparing.tell(`denied ${caller} ${operation}`, (leftOut) =>
        log.warn({ caller, tenant, operation, left_out: leftOut }, 'the policy denied an operation'),
      );
    },
    operationFailed({ caller, tenant, operation }, reason) {
      metrics.alerts.inc({ tenant: labels.of(tenant), reason });
      sparing.tell(`failed ${tenant} ${reason}`, (leftOut) =>
        log.error({ alert: true, caller, tenant, operation, reason, left_out: leftOut }, 'an operation failed'),
      );
    },
  };
}
