/** What becomes of tenants and their keys: one line of the log and one count for each event. */
import type { Log } from './log.ts';
import { type Metrics, maxTenantLabels, TenantLabels } from './metrics.ts';

/** A failure of a call to a key service, as far as the log may know it. */
interface KmsFailure {
  readonly details: { readonly providerCode?: string; readonly requestId?: string; readonly advice?: string };
}

interface RefusalEvent {
  readonly refusal: { readonly reason: string; readonly since: number; readonly error: KmsFailure };
}

type KeyEvent =
  | ({ readonly kind: 'refused'; readonly unprovenMs: number } & RefusalEvent)
  | ({ readonly kind: 'recovered' } & RefusalEvent)
  | { readonly kind: 'unproven' | 'proven' }
  | { readonly kind: 'unclear'; readonly failure?: { readonly message: string } };

/** A key that something happened to. */
interface KeyOfTenant {
  readonly tenant: { readonly id: string };
  readonly watch: { readonly keyId: string; readonly provider: string };
  readonly change: KeyEvent;
  readonly wiped: number;
}

/** The states that a tenant can be in. */
const tenantStates = ['active', 'refused'] as const;

/** Told of every change of a key. */
export function keyEvents(metrics: Metrics, log: Log) {
  const labels = new TenantLabels();
  return ({ tenant, watch, change, wiped }: KeyOfTenant): void => {
    const { provider, keyId: key } = watch;
    const about = { tenant: tenant.id, provider, key };
    switch (change.kind) {
      case 'refused': {
        const { reason, error } = change.refusal;
        const { providerCode, requestId, advice } = error.details;
        const lag = change.unprovenMs / 1000;
        metrics.keyRefusals.inc({ tenant: labels.of(tenant.id), provider, reason });
        metrics.revocationLag.observe(lag);
        log.warn(
          { ...about, reason, wiped, lag, provider_code: providerCode, provider_request_id: requestId, advice },
          'a key was refused: its data keys are wiped, and calls fail until its service says yes again',
        );
        return;
      }
      case 'recovered': {
        const { reason, since } = change.refusal;
        log.info({ ...about, reason, since: new Date(since).toISOString() }, 'a key may be used again');
        return;
      }
      case 'unproven':
        log.error(
          about,
          'a key service has not been heard for too long: nothing that its key opened is given out until it answers',
        );
        return;
      case 'proven':
        log.info(about, 'a key service was heard again: what its key opened is given out');
        return;
      case 'unclear':
        log.warn({ ...about, fault: change.failure?.message }, 'whether a key may be used cannot be asked');
    }
  };
}

/**
 * Keeps the gauge of the tenants' states, for as many tenants as may have a label. The rest have no series: one state
 * would stand for them all. Who goes makes room for who comes, or changes, next.
 */
export function tenantStateGauge(metrics: Metrics) {
  const shown = new Set<string>();
  return (
    { id, state: { kind } }: { readonly id: string; readonly state: { readonly kind: string } },
    isServed: boolean,
  ) => {
    if (isServed && shown.size < maxTenantLabels) shown.add(id);
    if (!shown.has(id)) return;
    if (!isServed) shown.delete(id);
    for (const state of tenantStates) {
      if (isServed && state === kind) metrics.tenantState.set({ tenant: id, state }, 1);
      else metrics.tenantState.remove({ tenant: id, state });
    }
  };
}
