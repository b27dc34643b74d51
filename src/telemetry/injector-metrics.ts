/** Every metric of the injector. Names and labels are contracts (docs/metrics.md). */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What became of a request: a pod that got keyproxy, one that needed nothing (at the second look, one that is whole), one
 * that was turned away, one that no answer was found for, and what was no review: anybody in the cluster can send such a
 * thing.
 */
export const injectorOutcomes = ['injected', 'unchanged', 'refused', 'failed', 'unread'] as const;

export type InjectorOutcome = (typeof injectorOutcomes)[number];

/** The metrics of one process in a registry of their own. */
export function createInjectorMetrics(sources: { certificateExpiresAtMs(): number | undefined }) {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    registers,
    name: 'keyproxy_injector_requests_total',
    help: 'Requests of the API server, by what became of them.',
    labelNames: ['outcome'],
  });
  for (const outcome of injectorOutcomes) requests.inc({ outcome }, 0);
  return {
    registry,
    requests,
    seconds: new Histogram({
      registers,
      name: 'keyproxy_injector_request_seconds',
      help: 'Time from the arrival of a request to its answer.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    }),
    certificateExpiry: new Gauge({
      registers,
      name: 'keyproxy_injector_certificate_expiry_timestamp_seconds',
      help: 'When the certificate that is served ends, in seconds since 1970; absent until there is one.',
      collect() {
        this.reset();
        const expiresAtMs = sources.certificateExpiresAtMs();
        if (expiresAtMs === undefined) this.remove();
        else this.set(expiresAtMs / 1000);
      },
    }),
    buildInfo: new Gauge({
      registers,
      name: 'keyproxy_build_info',
      help: 'Always 1; its labels tell the version.',
      labelNames: ['version', 'node'],
    }),
  };
}

export type InjectorMetrics = ReturnType<typeof createInjectorMetrics>;
