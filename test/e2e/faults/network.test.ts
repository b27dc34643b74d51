/**
 * A network that fails in each of its ways between the daemon and a key service: what is cached serves as if nothing were,
 * what is not fails within its limits and says when to come again, and service is back with the network.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';
import type { SimulatedKey } from '../../simulators/aws/simulated-key.ts';
import { awsTenant, startAwsDaemon } from '../../support/aws-tenant.ts';
import { busiestSecond } from '../../support/busiest-second.ts';
import { connect, type KeyProxyClient } from '../../support/client.ts';
import { type ErrorTold, toldBy } from '../../support/client-errors.ts';
import { daemonFolder } from '../../support/daemon-folder.ts';
import { startTcpFaultProxy, type TcpFaultProxy } from '../../support/tcp-fault-proxy.ts';
import type { TcpMode } from '../../support/tcp-link.ts';

/** Limits of the tenants: of a call, of calls a second, and between two canaries. */
const [timeoutMs, limit, intervalMs] = [600, 10, 10_000];
/** How long the network is unwell, and what a loaded machine may add to any time, in milliseconds. */
const [unwellMs, slackMs] = [6_000, 1_500];
/** A canary takes no turn: it is made by one call and opened by another. */
const canaryCalls = 2;
/** How long that takes which the network held back, in milliseconds. */
const burstMs = 100;
/** Between two uses of a cached key, and between two misses, in milliseconds. */
const [hitEveryMs, missEveryMs] = [20, 150];

/** Every way to fail so badly that no call gets through in its time. */
const modes: readonly TcpMode[] = [
  { kind: 'delay', ms: 2 * timeoutMs },
  { kind: 'reset' },
  { kind: 'half-open' },
  { kind: 'blackhole' },
  { kind: 'trickle', msPerByte: 20 },
  { kind: 'refuse' },
];

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

interface Place {
  readonly mode: TcpMode;
  readonly tenant: string;
  readonly key: SimulatedKey;
  readonly proxy: TcpFaultProxy;
}

interface Miss {
  readonly told: ErrorTold;
  readonly tookMs: number;
  /** The caller's own deadline, where it was shorter than the daemon's limits. */
  readonly deadlineMs?: number;
}

interface Seen {
  /** Times of cache hits while the network was unwell, in milliseconds. */
  readonly hits: readonly number[];
  readonly failedHits: readonly unknown[];
  readonly misses: readonly Miss[];
  readonly entriesBefore: number;
  readonly entriesAfter: number;
  /** From when the network was well to the first miss that succeeded, in milliseconds. */
  readonly backMs: number;
  /** Most calls about the key in any second. */
  readonly peak: number;
  /** Connections that were tried while the network was unwell, where somebody listened. */
  readonly connections: number;
  readonly stateDuring: string;
}

const stack = new AsyncDisposableStack();
const seen = new Map<string, Seen>();
let aws: AwsSimulator;
let client: KeyProxyClient;

beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
  const target = new URL(aws.endpoint).host;
  const places = await Promise.all(
    modes.map(async (mode): Promise<Place> => {
      const proxy = stack.use(await startTcpFaultProxy(target));
      return { mode, tenant: mode.kind, key: aws.createKey(), proxy };
    }),
  );
  const more = `
  dek: { source: kms }
  canary: { interval_seconds: ${intervalMs / 1000} }
  limits: { kms_timeout_ms: ${timeoutMs}, kms_calls_per_second: ${limit} }`;
  const files = places.map(({ tenant, key, proxy }) => {
    const file = awsTenant(aws, { id: tenant, keyArn: key.arn, more });
    return [`${tenant}.yaml`, file.replace(aws.endpoint, `http://${proxy.address}`)];
  });
  const trusted = places.map(({ proxy }) => `http://${proxy.address}`);
  const folder = stack.use(
    await daemonFolder({
      extra: `trusted_endpoints: ${JSON.stringify(trusted)}\nlog: { level: warn }`,
      tenants: Object.fromEntries(files),
    }),
  );
  const daemon = stack.use(await startAwsDaemon(aws, folder));
  client = stack.use(connect(daemon.socket));
  await Promise.all(places.map(async (place) => seen.set(place.mode.kind, await suffer(place))));
});
afterAll(() => stack.disposeAsync());

function unwrap(tenant_id: string, { wrapped_dek }: Made, deadlineMs?: number): Promise<Made> {
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  return client.call<Made>('Unwrap', { tenant_id, wrapped_dek }, options);
}

function describeTenant(tenant_id: string) {
  return client.call<{ state: string; cache_entries: number }>('DescribeTenant', { tenant_id });
}

/** Lets one network be unwell, under a load of hits and misses, and then be well again. */
async function suffer({ mode, tenant, key, proxy }: Place): Promise<Seen> {
  const cached = await client.call<Made>('GenerateDEK', { tenant_id: tenant });
  const entriesBefore = (await describeTenant(tenant)).cache_entries;
  await proxy.become(mode);
  const { connections: before } = proxy;
  const end = performance.now() + unwellMs;
  const [hits, failedHits, misses]: [number[], unknown[], Miss[]] = [[], [], []];
  const use = async () => {
    for (; performance.now() < end; await sleep(hitEveryMs)) {
      const start = performance.now();
      const opened = await unwrap(tenant, cached).catch((error: unknown) => error);
      if (opened instanceof Error || !(opened as Made).plaintext.equals(cached.plaintext)) failedHits.push(opened);
      hits.push(performance.now() - start);
    }
  };
  const miss = async (number: number): Promise<void> => {
    const deadlineMs = number % 3 === 2 ? timeoutMs / 3 : undefined;
    const start = performance.now();
    const request = { tenant_id: tenant, encryption_context: { purpose: String(number) } };
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    const error: ServiceError = await client.error('GenerateDEK', request, options);
    const tookMs = performance.now() - start;
    misses.push({ told: toldBy(error), tookMs, ...(deadlineMs !== undefined && { deadlineMs }) });
  };
  const missAll = async () => {
    const under: Promise<void>[] = [];
    // The last of them ends before the network is well.
    const last = end - 2 * timeoutMs - slackMs;
    for (let number = 0; performance.now() < last; number++, await sleep(missEveryMs)) under.push(miss(number));
    await Promise.all(under);
  };
  await Promise.all([use(), missAll()]);
  const { state, cache_entries: entriesAfter } = await describeTenant(tenant);
  const connections = proxy.connections - before;
  const held = Date.now();
  await proxy.become({ kind: 'pass' });
  const wellAt = performance.now();
  const again = () => client.call('GenerateDEK', { tenant_id: tenant }).catch(() => undefined);
  while ((await again()) === undefined && performance.now() - wellAt < 2 * intervalMs) await sleep(50);
  const backMs = performance.now() - wellAt;
  return {
    hits,
    failedHits,
    misses,
    entriesBefore,
    entriesAfter,
    backMs,
    peak: peakOf(key, held),
    connections,
    stateDuring: state,
  };
}

/** By when calls arrived. What the network held back arrives late and all together, at the moment when it is well. */
function peakOf({ arn }: SimulatedKey, wellAt: number): number {
  const calls = aws.calls.filter(({ keyArn, at }) => keyArn === arn && (at < wellAt || at > wellAt + burstMs));
  return busiestSecond(calls.map(({ at }) => at));
}

describe.each(modes.map(({ kind }) => kind))('a network in the mode %s', (kind) => {
  const saw = (): Seen => seen.get(kind) ?? expect.fail('it was not seen');

  test('leaves every use of a cached key as it was, and nothing is wiped', () => {
    const { hits, failedHits, entriesBefore, entriesAfter, stateDuring } = saw();
    expect(failedHits).toEqual([]);
    expect(hits.length).toBeGreaterThan(unwellMs / hitEveryMs / 4);
    expect(hits.toSorted((a, b) => a - b)[Math.floor(hits.length * 0.95)]).toBeLessThan(timeoutMs / 4);
    expect([entriesAfter, stateDuring]).toEqual([entriesBefore, 'TENANT_STATE_ACTIVE']);
  });

  test('lets misses fail within their limits, and says when to come again', () => {
    const { misses } = saw();
    expect(misses.length).toBeGreaterThan(5);
    for (const { told, tookMs, deadlineMs } of misses) {
      // A call, its attempts and its wait for a turn.
      expect(tookMs).toBeLessThan((deadlineMs ?? 3 * timeoutMs) + slackMs);
      const isImpatient = deadlineMs !== undefined && told.code === status.DEADLINE_EXCEEDED;
      if (isImpatient) continue;
      expect(told).toMatchObject({ code: status.UNAVAILABLE, reason: 'KEY_SERVICE_UNAVAILABLE' });
      expect(told.retryAfterMs).toBeGreaterThan(0);
      expect(told.retryAfterMs).toBeLessThanOrEqual(intervalMs);
    }
  });

  test('leads to no more calls than the limit, and is over within an interval of its end', () => {
    const { peak, connections, backMs } = saw();
    expect(connections).toBeLessThanOrEqual((limit * unwellMs) / 1000);
    expect(peak).toBeLessThanOrEqual(limit + canaryCalls);
    expect(backMs).toBeLessThan(intervalMs);
  });
});
