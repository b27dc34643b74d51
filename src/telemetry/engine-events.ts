/** The engine's business events: each is one function that keeps metric and log together. */
import type { Reason } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { CacheOperation, CacheResult, EngineObserver } from '../operations/observer.ts';
import { type Metrics, TenantLabels } from './metrics.ts';

interface Incrementable {
  inc(): void;
}

/** Counts events by key, looking a metric's child up once and not per event. */
export class ChildCache {
  readonly #children = new Map<string, Incrementable>();

  /** The child of `key`, made by `make` at its first use. */
  of(key: string, make: () => Incrementable): Incrementable {
    let child = this.#children.get(key);
    if (child === undefined) {
      child = make();
      this.#children.set(key, child);
    }
    return child;
  }
}

/** What the engine reports to. */
export function engineEvents(metrics: Metrics): EngineObserver {
  const labels = new TenantLabels();
  const children = new ChildCache();
  const seconds = {
    derived: metrics.dekSeconds.labels({ source: 'derived' }),
    kms: metrics.dekSeconds.labels({ source: 'kms' }),
  };
  return {
    cacheAsked(tenant: TenantId, operation: CacheOperation, result: CacheResult) {
      const label = labels.of(tenant);
      children
        .of(`cache ${label} ${operation} ${result}`, () =>
          metrics.cacheRequests.labels({ tenant: label, operation, result }),
        )
        .inc();
    },
    dekGenerated: (source, elapsed) => seconds[source].observe(elapsed),
    decryptionEnded(tenant: TenantId, failure?: Reason) {
      const label = labels.of(tenant);
      children.of(`decrypt ${label}`, () => metrics.decryptRequests.labels({ tenant: label })).inc();
      if (failure !== undefined) metrics.decryptFailures.inc({ tenant: label, reason: failure });
    },
  };
}
