/** Metrics by their names and labels, which are contracts, and the events that move them. */
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { kmsEvents, kmsZeros, rpcEvents } from '../../../src/telemetry/call-events.ts';
import { engineEvents } from '../../../src/telemetry/engine-events.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, maxTenantLabels, otherTenants, TenantLabels } from '../../../src/telemetry/metrics.ts';
import { policyEvents } from '../../../src/telemetry/policy-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Name → type and labels, as the design lists them. */
const contract: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  grpc_server_started_total: ['counter', 'grpc_method', 'grpc_service', 'grpc_type'],
  grpc_server_handled_total: ['counter', 'grpc_code', 'grpc_method', 'grpc_service', 'grpc_type'],
  grpc_server_handling_seconds: ['histogram', 'grpc_code', 'grpc_method', 'grpc_service', 'grpc_type'],
  keyproxy_dek_cache_requests_total: ['counter', 'operation', 'result', 'tenant'],
  keyproxy_dek_cache_entries: ['gauge'],
  keyproxy_dek_cache_evictions_total: ['counter', 'reason'],
  keyproxy_dek_generation_seconds: ['histogram', 'source'],
  keyproxy_decrypt_requests_total: ['counter', 'tenant'],
  keyproxy_decrypt_failures_total: ['counter', 'reason', 'tenant'],
  keyproxy_kms_circuit_open: ['gauge', 'key', 'provider', 'tenant'],
  keyproxy_kms_failovers_total: ['counter', 'provider', 'tenant'],
  keyproxy_kms_requests_total: ['counter', 'operation', 'outcome', 'provider'],
  keyproxy_kms_request_seconds: ['histogram', 'operation', 'provider'],
  keyproxy_tenant_state: ['gauge', 'state', 'tenant'],
  keyproxy_key_refusals_total: ['counter', 'provider', 'reason', 'tenant'],
  keyproxy_revocation_lag_seconds: ['histogram'],
  keyproxy_credential_expiry_timestamp_seconds: ['gauge', 'provider'],
  keyproxy_access_denied_total: ['counter', 'operation'],
  keyproxy_connections_refused_total: ['counter'],
  keyproxy_callers_refused_total: ['counter', 'identity'],
  keyproxy_alerts_total: ['counter', 'reason', 'tenant'],
  keyproxy_audit_entries_total: ['counter', 'outcome'],
  keyproxy_trace_spans_total: ['counter', 'outcome'],
  process_start_time_seconds: ['gauge'],
  keyproxy_config_reloads_total: ['counter', 'outcome'],
  keyproxy_config_files_bad: ['gauge', 'kind'],
  keyproxy_build_info: ['gauge', 'node', 'version'],
};

const tenant = parseTenantId('a');
const encrypt = { kind: 'unary', service: 'keyproxy.v1.KeyProxy', name: 'Encrypt' } as const;

function world() {
  const metrics = createMetrics({
    cacheEntries: () => 7,
    credentialExpiries: () => [{ provider: 'aws_kms', expiresAtMs: 1_700_000_000_500 }],
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
    openCircuits: () => [{ tenant: 'a', key: 'replica 1', provider: 'vault' }],
  });
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { metrics, lines, log: createLog('debug', sink) };
}

/** Every sample line of the exposition that begins with `name`, sorted. */
async function samples(metrics: ReturnType<typeof createMetrics>, name: string): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .sort();
}

describe('the metrics', () => {
  it('are those of the contract, each with its type, its help and its labels', async () => {
    const { metrics } = world();
    const described = metrics.registry.getMetricsAsArray() as unknown as {
      name: string;
      help: string;
      type: string;
      labelNames?: string[];
    }[];
    const found = await metrics.registry.getMetricsAsJSON();
    expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(contract).sort());
    for (const { name, help, labelNames = [] } of described) {
      const type = String(found.find((each) => each.name === name)?.type);
      expect([name, type, ...[...labelNames].sort()]).toEqual([name, ...(contract[name] ?? [])]);
      expect(help).toMatch(/^[A-Z1].*\.$/);
    }
  });

  it('carry a tenant on counters and gauges alone', () => {
    for (const [type, ...labels] of Object.values(contract)) {
      if (type === 'histogram') expect(labels).not.toContain('tenant');
    }
  });

  it('begin their buckets at 50 microseconds', async () => {
    const { metrics } = world();
    metrics.dekSeconds.observe({ source: 'kms' }, 0.00004);
    const buckets = await samples(metrics, 'keyproxy_dek_generation_seconds_bucket');
    expect(buckets).toContain('keyproxy_dek_generation_seconds_bucket{le="0.00005",source="kms"} 1');
    const bounds = buckets.map((line) => Number(/le="([\d.]+)"/.exec(line)?.[1] ?? Infinity));
    expect(Math.min(...bounds)).toBe(0.00005);
  });

  it('know how long a data key took to a third of that, and exactly whether it was more than a second', async () => {
    const { metrics } = world();
    metrics.dekSeconds.observe({ source: 'kms' }, 0.02);
    const buckets = await samples(metrics, 'keyproxy_dek_generation_seconds_bucket');
    const bounds = buckets
      .filter((line) => line.includes('source="kms"'))
      .map((line) => Number(/le="([\d.]+)"/.exec(line)?.[1]))
      .filter((bound) => bound >= 0.004)
      .sort((a, b) => a - b);
    expect(bounds).toContain(1);
    expect(bounds.at(-1)).toBe(5);
    const widths = bounds.slice(1).map((bound, index) => bound / (bounds[index] ?? 0));
    expect(Math.max(...widths)).toBeLessThan(1.34);
  });

  it('count bad reloads from 0 on, since Prometheus sees no first value', async () => {
    const { metrics } = world();
    expect(await samples(metrics, 'keyproxy_config_reloads_total')).toEqual([
      'keyproxy_config_reloads_total{outcome="bad"} 0',
      'keyproxy_config_reloads_total{outcome="ok"} 0',
    ]);
  });

  it("show for as long as it is so that the policy's file is bad, and count it once", async () => {
    const { metrics, log } = world();
    const { changed, unusable } = policyEvents(metrics, log, () => 'what is wrong');
    const gauge = () => samples(metrics, 'keyproxy_config_files_bad{kind="policy"}');
    expect(await gauge()).toEqual(['keyproxy_config_files_bad{kind="policy"} 0']);
    unusable([
      { file: 'policy.yaml', line: 1 },
      { file: 'policy.yaml', line: 2 },
    ]);
    expect(await gauge()).toEqual(['keyproxy_config_files_bad{kind="policy"} 1']);
    changed();
    expect(await gauge()).toEqual(['keyproxy_config_files_bad{kind="policy"} 0']);
  });

  it('count callers and operations that were turned away from 0 on, too', async () => {
    const { metrics } = world();
    expect(await samples(metrics, 'keyproxy_callers_refused_total')).toEqual([
      'keyproxy_callers_refused_total{identity="mtls"} 0',
      'keyproxy_callers_refused_total{identity="token"} 0',
    ]);
    expect(await samples(metrics, 'keyproxy_access_denied_total')).toEqual(
      ['decrypt', 'describe_tenant', 'encrypt', 'generate_dek', 'rewrap', 'unwrap'].map(
        (operation) => `keyproxy_access_denied_total{operation="${operation}"} 0`,
      ),
    );
  });

  it('ask for what they do not keep: entries, the end of credentials in seconds, silent keys', async () => {
    const { metrics } = world();
    expect(await samples(metrics, 'keyproxy_dek_cache_entries')).toEqual(['keyproxy_dek_cache_entries 7']);
    expect(await samples(metrics, 'keyproxy_credential_expiry')).toEqual([
      'keyproxy_credential_expiry_timestamp_seconds{provider="aws_kms"} 1700000000.5',
    ]);
    expect(await samples(metrics, 'keyproxy_kms_circuit')).toEqual([
      'keyproxy_kms_circuit_open{tenant="a",key="replica 1",provider="vault"} 1',
    ]);
  });
});

describe('TenantLabels', () => {
  it('gives so many tenants a label of their own and the rest one together', () => {
    const labels = new TenantLabels();
    const given = new Set<string>();
    for (let i = 0; i < maxTenantLabels + 500; i++) given.add(labels.of(`t${i}`));
    expect(given.size).toBe(maxTenantLabels + 1);
    expect(labels.of('t0')).toBe('t0');
    expect(labels.of(`t${maxTenantLabels}`)).toBe(otherTenants);
  });
});

describe('events of the engine', () => {
  it('count requests to the cache by tenant, operation and result', async () => {
    const { metrics } = world();
    const events = engineEvents(metrics, createLog('silent'), new FakeClock());
    for (const result of ['hit', 'hit', 'miss', 'coalesced'] as const) events.cacheAsked(tenant, 'encrypt', result);
    events.cacheAsked(parseTenantId('b'), 'unwrap', 'hit');
    expect(await samples(metrics, 'keyproxy_dek_cache_requests_total')).toEqual([
      'keyproxy_dek_cache_requests_total{tenant="a",operation="encrypt",result="coalesced"} 1',
      'keyproxy_dek_cache_requests_total{tenant="a",operation="encrypt",result="hit"} 2',
      'keyproxy_dek_cache_requests_total{tenant="a",operation="encrypt",result="miss"} 1',
      'keyproxy_dek_cache_requests_total{tenant="b",operation="unwrap",result="hit"} 1',
    ]);
  });

  it('count failed attempts of a tenant from 0 on, as soon as it is served, since Prometheus sees no first value', async () => {
    const { metrics } = world();
    engineEvents(metrics, createLog('silent'), new FakeClock()).served({ id: tenant, replicas: [] });
    expect(await samples(metrics, 'keyproxy_decrypt_failures_total')).toEqual([
      'keyproxy_decrypt_failures_total{tenant="a",reason="DECRYPT_FAILED"} 0',
    ]);
  });

  it("count what a tenant's replicas do from 0 on, as soon as it is served", async () => {
    const { metrics } = world();
    const events = engineEvents(metrics, createLog('silent'), new FakeClock());
    events.served({ id: tenant, replicas: [{ provider: 'vault' }, { provider: 'vault' }, { provider: 'gcp_kms' }] });
    events.served({ id: parseTenantId('b'), replicas: [] });
    events.failedOver(tenant, 'vault');
    events.served({ id: tenant, replicas: [{ provider: 'vault' }] });
    expect(await samples(metrics, 'keyproxy_kms_failovers_total')).toEqual([
      'keyproxy_kms_failovers_total{tenant="a",provider="gcp_kms"} 0',
      'keyproxy_kms_failovers_total{tenant="a",provider="vault"} 1',
    ]);
  });

  it('count decryptions, and failures with their reason among them', async () => {
    const { metrics } = world();
    const events = engineEvents(metrics, createLog('silent'), new FakeClock());
    events.decryptionEnded(tenant);
    events.decryptionEnded(tenant, 'DECRYPT_FAILED');
    expect(await samples(metrics, 'keyproxy_decrypt_')).toEqual([
      'keyproxy_decrypt_failures_total{tenant="a",reason="DECRYPT_FAILED"} 1',
      'keyproxy_decrypt_requests_total{tenant="a"} 2',
    ]);
  });

  it('keep the number of series bounded however many tenants there are', async () => {
    const { metrics } = world();
    const events = engineEvents(metrics, createLog('silent'), new FakeClock());
    for (let i = 0; i < maxTenantLabels + 100; i++) events.cacheAsked(parseTenantId(`t${i}`), 'encrypt', 'hit');
    const lines = await samples(metrics, 'keyproxy_dek_cache_requests_total');
    expect(lines).toHaveLength(maxTenantLabels + 1);
    expect(lines).toContain(`keyproxy_dek_cache_requests_total{tenant="(other)",operation="encrypt",result="hit"} 100`);
  });

  it('time the making of a DEK by its source', async () => {
    const { metrics } = world();
    const events = engineEvents(metrics, createLog('silent'), new FakeClock());
    events.dekGenerated('derived', 0.00002);
    events.dekGenerated('kms', 0.02);
    expect(await samples(metrics, 'keyproxy_dek_generation_seconds_count')).toEqual([
      'keyproxy_dek_generation_seconds_count{source="derived"} 1',
      'keyproxy_dek_generation_seconds_count{source="kms"} 1',
    ]);
  });
});

describe('events of calls', () => {
  it('count a call at its start and at its end, with its code and its time', async () => {
    const { metrics, log } = world();
    const events = rpcEvents(metrics, log, new FakeClock());
    events.started(encrypt);
    events.started(encrypt);
    events.handled(encrypt, 'OK', 0.001);
    events.handled(encrypt, 'NOT_FOUND', 0.002);
    const labels = 'grpc_service="keyproxy.v1.KeyProxy",grpc_method="Encrypt",grpc_type="unary"';
    expect(await samples(metrics, 'grpc_server_started_total')).toEqual([`grpc_server_started_total{${labels}} 2`]);
    expect(await samples(metrics, 'grpc_server_handled_total')).toEqual([
      `grpc_server_handled_total{${labels},grpc_code="INTERNAL"} 0`,
      `grpc_server_handled_total{${labels},grpc_code="NOT_FOUND"} 1`,
      `grpc_server_handled_total{${labels},grpc_code="OK"} 1`,
      `grpc_server_handled_total{${labels},grpc_code="UNAVAILABLE"} 0`,
    ]);
    expect(await samples(metrics, 'grpc_server_handling_seconds_count')).toHaveLength(2);
  });

  it('count failures of a method that is served from 0 on, before its first call', async () => {
    const { metrics, log } = world();
    const events = rpcEvents(metrics, log, new FakeClock());
    events.offered([encrypt]);
    const labels = 'grpc_service="keyproxy.v1.KeyProxy",grpc_method="Encrypt",grpc_type="unary"';
    const both = (internal: number) => [
      `grpc_server_handled_total{${labels},grpc_code="INTERNAL"} ${internal}`,
      `grpc_server_handled_total{${labels},grpc_code="UNAVAILABLE"} 0`,
    ];
    expect(await samples(metrics, 'grpc_server_handled_total')).toEqual(both(0));
    events.handled(encrypt, 'INTERNAL', 0.001);
    expect(await samples(metrics, 'grpc_server_handled_total')).toEqual(both(1));
  });

  it('log a failure inside keyproxy with its name and stack, and no property of it', () => {
    const { metrics, log, lines } = world();
    const cause = Object.assign(new TypeError('it broke'), { key: 'hunter2' });
    rpcEvents(metrics, log, new FakeClock()).failed(encrypt, new KeyproxyError('INTERNAL', { cause }));
    expect(lines).toMatchObject([
      { level: 50, method: 'Encrypt', reason: 'INTERNAL', fault: { name: 'TypeError', message: 'it broke' } },
    ]);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });
});

describe('events of calls to key services', () => {
  const details = { operation: 'Decrypt', providerCode: 'AccessDeniedException', requestId: 'r-1' };
  const call = { provider: 'aws_kms', operation: 'unwrap', seconds: 0.01 } as const;

  it("have every outcome of a provider's operations from 0 on, as soon as a tenant of its is served", async () => {
    const { metrics, log } = world();
    const zeros = kmsZeros(metrics);
    zeros({ providers: ['aws_kms'] });
    kmsEvents(metrics, log)('a', { ...call, outcome: 'outage', error: { fault: { kind: 'outage' }, details } });
    zeros({ providers: ['aws_kms', 'vault'] });
    const all = await samples(metrics, 'keyproxy_kms_requests_total');
    expect(all.filter((line) => line.includes('aws_kms'))).toHaveLength(5 * 4);
    expect(all.filter((line) => line.includes('vault'))).toHaveLength(5 * 4);
    expect(all.filter((line) => !line.endsWith(' 0'))).toEqual([
      'keyproxy_kms_requests_total{provider="aws_kms",operation="unwrap",outcome="outage"} 1',
    ]);
  });

  it('count every call, and log none that succeeded', async () => {
    const { metrics, log, lines } = world();
    kmsEvents(metrics, log)('a', { ...call, outcome: 'ok' });
    expect(await samples(metrics, 'keyproxy_kms_requests_total')).toEqual([
      'keyproxy_kms_requests_total{provider="aws_kms",operation="unwrap",outcome="ok"} 1',
    ]);
    expect(await samples(metrics, 'keyproxy_kms_request_seconds_count')).toEqual([
      'keyproxy_kms_request_seconds_count{provider="aws_kms",operation="unwrap"} 1',
    ]);
    expect(lines).toEqual([]);
  });

  it.each([
    ['refusal', 'refusal', 40],
    ['outage', 'outage', 40],
    ['fault', 'config', 40],
    ['fault', 'data', 20],
  ] as const)(
    'log a %s of the kind %s at level %i, with the ids that find it at the provider',
    (outcome, kind, level) => {
      const { metrics, log, lines } = world();
      kmsEvents(metrics, log)('a', { ...call, outcome, error: { fault: { kind }, details } });
      expect(lines).toMatchObject([
        {
          level,
          tenant: 'a',
          provider: 'aws_kms',
          operation: 'Decrypt',
          outcome,
          provider_code: 'AccessDeniedException',
          provider_request_id: 'r-1',
          msg: 'a call to a key service did not succeed',
        },
      ]);
    },
  );
});
