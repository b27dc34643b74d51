/**
 * Five minutes in which AWS is out of reach, KMS and STS alike. The session of the customer's role runs out meanwhile, and
 * every entry of the cache comes to the time of its renewal: whoever uses what is cached must not notice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, awsTenant, customerRole, startAwsDaemon } from '../support/aws-tenant.ts';
import { busiestSecond } from '../support/busiest-second.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { readMetrics } from '../support/client-metrics.ts';
import { runPaced } from '../support/paced-load.ts';
import { startTcpFaultProxy, type TcpFaultProxy } from '../support/tcp-fault-proxy.ts';

const outageSeconds = Number(process.env['KEYPROXY_OUTAGE_SECONDS'] ?? 300);
/** All entries are born within seconds, become due in the second half of their life, and end after the outage. */
const [ttlSeconds, outageAfterSeconds, entries] = [outageSeconds + 45, 25, 500];
/** The limit while they are made, and afterwards: with this one half of their life is time to renew them all. */
const [makingLimit, limit] = [10_000, 5];
/** Of the role, in seconds: its renewal is due, and it ends, during the outage. */
const sessionSeconds = 90;
const [intervalMs, timeoutMs, callerDeadlineMs] = [10_000, 1_000, 5_000];
const [hitsPerSecond, missEveryMs] = [200, 1_000];
/** A canary takes no turn: it is made by one call and opened by another. */
const canaryCalls = 2;
const tenant_id = 'a';

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

interface Miss {
  readonly reason: string;
  readonly tookMs: number;
  readonly retryAfterMs: number | undefined;
}

async function make(client: KeyProxyClient): Promise<Made[]> {
  const made: Made[] = [];
  const worker = async () => {
    while (made.length < entries) made.push(await client.call<Made>('GenerateDEK', { tenant_id }));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return made;
}

/** Misses at a steady pace until `end`, each with a purpose of its own. */
async function missUntil(client: KeyProxyClient, end: number): Promise<Miss[]> {
  const under: Promise<Miss>[] = [];
  for (let number = 0; performance.now() < end - callerDeadlineMs; number++) {
    const request = { tenant_id, encryption_context: { purpose: String(number) } };
    const start = performance.now();
    const failed = client.error('GenerateDEK', request, { deadline: Date.now() + callerDeadlineMs });
    under.push(
      failed.then((error: ServiceError) => {
        const { reason, retryAfterMs } = toldBy(error);
        return { reason: reason || error.details, tookMs: performance.now() - start, retryAfterMs };
      }),
    );
    await sleep(missEveryMs);
  }
  return await Promise.all(under);
}

/** When connections were tried, to the nearest 100 ms. */
async function connectionsUntil(proxy: TcpFaultProxy, end: number): Promise<number[]> {
  const times: number[] = [];
  for (let before = proxy.connections; performance.now() < end; await sleep(100)) {
    for (; before < proxy.connections; before++) times.push(performance.now());
  }
  return times;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

test('an outage across the end of a session and the renewal of every entry costs no cached call', async () => {
  await using stack = new AsyncDisposableStack();
  const aws = stack.use(await startAwsSimulator());
  const proxy = stack.use(await startTcpFaultProxy(new URL(aws.endpoint).host));
  const reached = { ...aws, endpoint: `http://${proxy.address}` };
  aws.setLongestSession(sessionSeconds);
  const [key, externalId] = [aws.createKey(), 'keyproxy-outage'];
  const tenant = (callsPerSecond: number) => ({
    ...{ id: tenant_id, keyArn: key.arn, role: { arn: customerRole(aws, 'customer', externalId).arn, externalId } },
    more: `
  cache_config: { ttl_seconds: ${ttlSeconds} }
  dek: { source: kms }
  canary: { interval_seconds: ${intervalMs / 1000} }
  limits: { kms_timeout_ms: ${timeoutMs}, kms_calls_per_second: ${callsPerSecond}, kms_concurrency: 16 }`,
  });
  const before = tenant(makingLimit);
  const folder = stack.use(await awsFolder(reached, [before]));
  const daemon = stack.use(await startAwsDaemon(reached, folder, { KEYPROXY_LOG_LEVEL: 'info' }));
  const client = stack.use(connect(daemon.socket));
  const born = performance.now();
  const made = await make(client);
  const text = awsTenant(reached, { ...before, more: before.more.replace(String(makingLimit), String(limit)) });
  await folder.write(`tenants/${tenant_id}.yaml`, text);
  await sleep(born + outageAfterSeconds * 1000 - performance.now());

  const [outageAt, callsBefore] = [performance.now(), aws.calls.length];
  const [half, end] = [outageAt + outageSeconds * 500, outageAt + outageSeconds * 1000];
  await proxy.become({ kind: 'half-open' });
  const later = sleep(Math.max(0, half - performance.now())).then(() => proxy.become({ kind: 'reset' }));
  const failures: unknown[] = [];
  const [records, misses, connections] = await Promise.all([
    runPaced({
      ...{ rate: hitsPerSecond, seconds: outageSeconds - 1, maxInFlight: 200 },
      async call(index) {
        const dek = made[index % made.length];
        const opened = await client
          .call<Made>('Unwrap', { tenant_id, wrapped_dek: dek?.wrapped_dek })
          .catch((error) => {
            failures.push(error);
          });
        return opened && dek && opened.plaintext.equals(dek.plaintext) ? 0 : 1;
      },
    }),
    missUntil(client, end),
    connectionsUntil(proxy, end),
    later,
  ]);
  const arrived = aws.calls.slice(callsBefore).filter(({ keyArn }) => keyArn === key.arn);
  const metrics = await readMetrics(daemon.http);
  await sleep(Math.max(0, end - performance.now()));
  await proxy.become({ kind: 'pass' });
  const [well, wellAt] = [Date.now(), performance.now()];
  const again = () =>
    client.call('GenerateDEK', { tenant_id }).then(
      () => true,
      () => false,
    );
  while (!(await again()) && performance.now() - wellAt < 3 * intervalMs) await sleep(50);
  const backMs = performance.now() - wellAt;

  const ended = records.count(0);
  const reasons = Map.groupBy(misses, ({ reason }) => reason);
  const slowest = Math.max(...misses.map(({ tookMs }) => tookMs));
  const attempted = metrics.sum('keyproxy_kms_requests_total', { operation: 'unwrap' });
  const inHalfOpen = connections.filter((at) => at >= half + 500);
  say(
    `outage of ${outageSeconds} s: ${records.outcome.length} cached calls, ${ended} ok, p50 ${records.quantile(0.5).toFixed(2)} ms, p99 ${records.quantile(0.99).toFixed(2)} ms`,
  );
  say(
    `${misses.length} misses, slowest ${slowest.toFixed(0)} ms: ${[...reasons].map(([reason, all]) => `${all.length} ${reason}`).join(', ')}`,
  );
  say(
    `${attempted} unwraps tried for ${entries} entries; peak ${busiestSecond(arrived.map(({ at }) => at))} calls/s that arrived, ${busiestSecond(inHalfOpen)} connections/s while they were reset; limit ${limit}`,
  );
  say(`back ${backMs.toFixed(0)} ms after the network`);

  expect(failures).toEqual([]);
  expect(ended).toBe(records.outcome.length);
  expect(slowest).toBeLessThan(callerDeadlineMs);
  expect(misses.length).toBeGreaterThan(outageSeconds / 2);
  expect(
    [...reasons.keys()].filter((reason) => !['KEY_SERVICE_UNAVAILABLE', 'KEY_CALLS_OVER_BUDGET'].includes(reason)),
  ).toEqual([]);
  expect(misses.filter(({ retryAfterMs }) => retryAfterMs === undefined)).toEqual([]);
  // Half of an entry's life is time to renew it in, and the last fifth of that is too late: every entry was due.
  expect(ttlSeconds - outageAfterSeconds - outageSeconds).toBeLessThan((ttlSeconds / 2) * 0.2);
  // Few are tried, since calls fail at once while the service is silent.
  expect(attempted).toBeGreaterThan(0);
  // What was known of the role had run out.
  expect(
    aws.calls.some(({ operation, outcome, at }) => operation === 'AssumeRole' && outcome === 'ok' && at >= well),
  ).toBe(true);
  expect(busiestSecond(arrived.map(({ at }) => at))).toBeLessThanOrEqual(limit + canaryCalls);
  // One for each call to the key, and those of STS.
  expect(busiestSecond(inHalfOpen)).toBeLessThanOrEqual(2 * limit + canaryCalls);
  expect(backMs).toBeLessThan(intervalMs);
});
