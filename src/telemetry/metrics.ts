/**
 * Every metric of the data plane, in one place. Names and labels are contracts (docs/metrics.md). A tenant label
 * stands only on counters and gauges, and only for so many tenants; the rest share one value.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { verbs } from '../base/verb.ts';
import { TallyCounter } from './tally.ts';
import { TallyHistogram } from './tally-histogram.ts';

/** Buckets in seconds from 50 µs on: a cache hit and a call to a key service both fall inside. */
const latencyBuckets = [0.00005, 0.0001, 0.0003, 0.0006, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5];

/**
 * Finer where key services answer: a quantile is known to its bucket, and none here is wider than a third of its lower
 * bound. Around a second, where the platform's alert decides, it is a twentieth; a second itself is a bound, so "more than
 * a second" is exact.
 */
const generationBuckets = [
  ...[0.00005, 0.0001, 0.0003, 0.0006, 0.001, 0.002, 0.004, 0.005, 0.0065, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025],
  ...[0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 0.9, 0.95, 1, 1.05, 1.1],
  ...[1.3, 1.6, 2, 2.5, 3, 4, 5],
];

/** Tenants with a label value of their own. */
export const maxTenantLabels = 1000;

/** The label value of tenants beyond the bound: no tenant can have this name. */
export const otherTenants = '(other)';

const rpc = ['grpc_service', 'grpc_method', 'grpc_type'] as const;

/** What is read when somebody asks, and not kept. */
export interface MetricSources {
  cacheEntries(): number;
  /** Keys whose service gives no answer, by tenant and by the part that they have there. */
  openCircuits(): Iterable<{ readonly tenant: string; readonly key: string; readonly provider: string }>;
  /** Entries of the audit log since the start, by what became of them. */
  auditEntries(): Readonly<Record<'written' | 'refused' | 'lost', number>>;
  /** When the earliest credentials of each provider end, in milliseconds since 1970. */
  credentialExpiries(): Iterable<{ readonly provider: string; readonly expiresAtMs: number }>;
}

/** The metrics of one process in a registry of their own. */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];
  const circuitTenants = new TenantLabels();
  const metrics = {
    registry,
    rpcStarted: new TallyCounter({
      registers,
      name: 'grpc_server_started_total',
      help: 'Calls that reached a method.',
      labelNames: rpc,
    }),
    rpcHandled: new TallyCounter({
      registers,
      name: 'grpc_server_handled_total',
      help: 'Calls that ended, by gRPC code.',
      labelNames: [...rpc, 'grpc_code'],
    }),
    rpcSeconds: new TallyHistogram({
      registers,
      name: 'grpc_server_handling_seconds',
      help: 'Time from the arrival of a call to its end.',
      labelNames: [...rpc, 'grpc_code'],
      buckets: latencyBuckets,
    }),
    cacheRequests: new TallyCounter({
      registers,
      name: 'keyproxy_dek_cache_requests_total',
      help: 'Keys asked of the cache: there (hit), being fetched for somebody else (coalesced), to be fetched (miss).',
      labelNames: ['tenant', 'operation', 'result'],
    }),
    cacheEntries: new Gauge({
      registers,
      name: 'keyproxy_dek_cache_entries',
      help: 'Keys in the cache.',
      collect() {
        this.set(sources.cacheEntries());
      },
    }),
    cacheEvictions: new Counter({
      registers,
      name: 'keyproxy_dek_cache_evictions_total',
      help: 'Keys that left the cache, by reason.',
      labelNames: ['reason'],
    }),
    dekSeconds: new Histogram({
      registers,
      name: 'keyproxy_dek_generation_seconds',
      help: 'Time to make a data key, derived from a root or by the key service.',
      labelNames: ['source'],
      buckets: generationBuckets,
    }),
    decryptRequests: new TallyCounter({
      registers,
      name: 'keyproxy_decrypt_requests_total',
      help: 'Decrypt and Unwrap calls for a tenant that ended.',
      labelNames: ['tenant'],
    }),
    decryptFailures: new Counter({
      registers,
      name: 'keyproxy_decrypt_failures_total',
      help: 'Decrypt and Unwrap calls for a tenant that failed, by reason.',
      labelNames: ['tenant', 'reason'],
    }),
    kmsRequests: new Counter({
      registers,
      name: 'keyproxy_kms_requests_total',
      help: 'Calls to key services, retries included, by outcome.',
      labelNames: ['provider', 'operation', 'outcome'],
    }),
    kmsSeconds: new Histogram({
      registers,
      name: 'keyproxy_kms_request_seconds',
      help: 'Time of one call to a key service.',
      labelNames: ['provider', 'operation'],
      buckets: latencyBuckets,
    }),
    failovers: new Counter({
      registers,
      name: 'keyproxy_kms_failovers_total',
      help: "Keys that a replica of this provider made or opened, because the tenant's keys before it gave no answer.",
      labelNames: ['tenant', 'provider'],
    }),
    circuitOpen: new Gauge({
      registers,
      name: 'keyproxy_kms_circuit_open',
      help: '1 for each key whose service gives no answer, so that calls fail at once or go to a replica.',
      labelNames: ['tenant', 'key', 'provider'],
      collect() {
        this.reset();
        for (const { tenant, key, provider } of sources.openCircuits()) {
          this.set({ tenant: circuitTenants.of(tenant), key, provider }, 1);
        }
      },
    }),
    tenantState: new Gauge({
      registers,
      name: 'keyproxy_tenant_state',
      help: `1 for the state that a tenant is in; not for tenants beyond ${maxTenantLabels} that are served at a time.`,
      labelNames: ['tenant', 'state'],
    }),
    keyRefusals: new Counter({
      registers,
      name: 'keyproxy_key_refusals_total',
      help: "Times that a key's service said no to the key as a whole, so that its data keys were wiped.",
      labelNames: ['tenant', 'provider', 'reason'],
    }),
    revocationLag: new Histogram({
      registers,
      name: 'keyproxy_revocation_lag_seconds',
      help: 'At a refusal: time since the last proof that the key may be used, which bounds how late the refusal was heard.',
      buckets: [0.1, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 300, 900],
    }),
    credentialExpiry: new Gauge({
      registers,
      name: 'keyproxy_credential_expiry_timestamp_seconds',
      help: 'When the credentials for the key service end, the earliest of a provider, in seconds since 1970.',
      labelNames: ['provider'],
      collect() {
        this.reset();
        for (const { provider, expiresAtMs } of sources.credentialExpiries()) {
          this.set({ provider }, expiresAtMs / 1000);
        }
      },
    }),
    accessDenied: new Counter({
      registers,
      name: 'keyproxy_access_denied_total',
      help: 'Operations that the policy did not allow.',
      labelNames: ['operation'],
    }),
    callersRefused: new Counter({
      registers,
      name: 'keyproxy_callers_refused_total',
      help: 'Calls and connections whose callers could not be told, by identity mode.',
      labelNames: ['identity'],
    }),
    connectionsRefused: new Counter({
      registers,
      name: 'keyproxy_connections_refused_total',
      help: 'Connections that were closed because their listener had as many as it may.',
    }),
    alerts: new Counter({
      registers,
      name: 'keyproxy_alerts_total',
      help: 'Operations that failed for tenants that want to be told (audit.alert_on_failures), by reason.',
      labelNames: ['tenant', 'reason'],
    }),
    auditEntries: new Counter({
      registers,
      name: 'keyproxy_audit_entries_total',
      help: 'Entries of the audit log: written, refused where they could not be, lost where the daemon went on without.',
      labelNames: ['outcome'],
      collect() {
        this.reset();
        for (const [outcome, count] of Object.entries(sources.auditEntries())) this.inc({ outcome }, count);
      },
    }),
    configReloads: new Counter({
      registers,
      name: 'keyproxy_config_reloads_total',
      help: 'Reloads of tenant files and of the policy: ok, or bad where a file was not taken.',
      labelNames: ['outcome'],
    }),
    configFilesBad: new Gauge({
      registers,
      name: 'keyproxy_config_files_bad',
      help: 'Files that were not taken as they are now, at the start or since: of tenants, and of the policy.',
      labelNames: ['kind'],
    }),
    traceSpans: new Counter({
      registers,
      name: 'keyproxy_trace_spans_total',
      help: 'Spans of traces: sent, or dropped because too many waited (queue_full) or the collector did not take them (failed).',
      labelNames: ['outcome'],
    }),
    buildInfo: new Gauge({
      registers,
      name: 'keyproxy_build_info',
      help: 'Always 1; its labels tell the version.',
      labelNames: ['version', 'node'],
    }),
    processStart: new Gauge({
      registers,
      name: 'process_start_time_seconds',
      help: 'When the process began, in seconds since 1970: what it counts was 0 then.',
    }),
  };
  metrics.processStart.set(performance.timeOrigin / 1000);
  // Prometheus does not see what a series begins with: the first of each has to follow a 0.
  for (const outcome of ['ok', 'bad']) metrics.configReloads.inc({ outcome }, 0);
  for (const kind of ['tenants', 'policy']) metrics.configFilesBad.set({ kind }, 0);
  for (const identity of ['token', 'mtls']) metrics.callersRefused.inc({ identity }, 0);
  for (const operation of verbs) metrics.accessDenied.inc({ operation }, 0);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Gives each tenant its label value, up to the bound. */
export class TenantLabels {
  readonly #known = new Set<string>();

  of(tenant: string): string {
    if (this.#known.has(tenant)) return tenant;
    if (this.#known.size >= maxTenantLabels) return otherTenants;
    this.#known.add(tenant);
    return tenant;
  }
}
