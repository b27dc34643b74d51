/**
 * A thousand data keys that were born together and are in use all the time come to their end together, a minute later:
 * neither their users nor the customer's quota is to notice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, awsTenant, startAwsDaemon } from '../support/aws-tenant.ts';
import { busiestSecond } from '../support/busiest-second.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { readMetrics } from '../support/client-metrics.ts';
import { type CallRecords, runPaced } from '../support/paced-load.ts';

const [entries, ttlSeconds, limit, rate] = [1_000, 60, 50, 200];
/** While the entries are made: they are to be born together. */
const makingLimit = 10_000;

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

async function make(client: KeyProxyClient, tenant_id: string): Promise<Made[]> {
  const made: Made[] = [];
  let started = 0;
  const worker = async () => {
    while (started++ < entries) made.push(await client.call<Made>('GenerateDEK', { tenant_id }));
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return made;
}

function use(client: KeyProxyClient, tenant_id: string, made: readonly Made[]): Promise<CallRecords> {
  return runPaced({
    ...{ rate, seconds: ttlSeconds, maxInFlight: 500 },
    async call(index) {
      const dek = made[index % made.length];
      const opened = await client
        .call<Made>('Unwrap', { tenant_id, wrapped_dek: dek?.wrapped_dek })
        .catch(() => undefined);
      return opened && dek && opened.plaintext.equals(dek.plaintext) ? 0 : 1;
    },
  });
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const timesOf = (records: CallRecords) =>
  [0.5, 0.99, 0.999, 1].map((share) => records.quantile(share).toFixed(2)).join(' / ');

test('a thousand keys that end together cost their users no time and the customer no more calls than the limit', async () => {
  await using stack = new AsyncDisposableStack();
  const aws = stack.use(await startAwsSimulator());
  const [steadyKey, key] = [aws.createKey(), aws.createKey()];
  const more = (ttl: number, callsPerSecond: number) => `
  cache_config: { ttl_seconds: ${ttl} }
  dek: { source: kms }
  limits: { kms_calls_per_second: ${callsPerSecond} }`;
  const folder = stack.use(
    await awsFolder(aws, [
      { id: 'steady', keyArn: steadyKey.arn, more: more(86_400, makingLimit) },
      { id: 'ending', keyArn: key.arn, more: more(ttlSeconds, makingLimit) },
    ]),
  );
  const daemon = stack.use(await startAwsDaemon(aws, folder, { KEYPROXY_LOG_LEVEL: 'fatal' }));
  const client = stack.use(connect(daemon.socket));
  const steadyDeks = await make(client, 'steady');
  await use(client, 'steady', steadyDeks);
  const steady = await use(client, 'steady', steadyDeks);

  const made = await make(client, 'ending');
  const file = awsTenant(aws, { id: 'ending', keyArn: key.arn, more: more(ttlSeconds, limit) });
  await folder.write('tenants/ending.yaml', file);
  // Until the daemon has seen the file.
  await sleep(2_000);
  const [callsBefore, missesBefore] = [
    aws.calls.length,
    (await readMetrics(daemon.http)).sum('keyproxy_dek_cache_requests_total', { tenant: 'ending', result: 'miss' }),
  ];
  const ending = await use(client, 'ending', made);
  const after = await use(client, 'ending', made);
  const misses =
    (await readMetrics(daemon.http)).sum('keyproxy_dek_cache_requests_total', { tenant: 'ending', result: 'miss' }) -
    missesBefore;
  const calls = aws.calls.slice(callsBefore).filter(({ keyArn }) => keyArn === key.arn);
  const peak = busiestSecond(calls.map(({ at }) => at));
  say(`${entries} entries of ${ttlSeconds} s at ${rate} calls/s, p50 / p99 / p99.9 / max in ms`);
  say(`  steady minute  ${timesOf(steady)}`);
  say(`  their end      ${timesOf(ending)}`);
  say(`  the next one   ${timesOf(after)}`);
  say(
    `  ${calls.length} calls in the two minutes, peak ${peak} in a second, limit ${limit}; ${misses} misses of callers`,
  );

  expect([steady, ending, after].map((records) => records.count(1))).toEqual([0, 0, 0]);
  // Each was fetched again once in the first minute and once in the second.
  expect(calls.length).toBeGreaterThan(1.5 * entries);
  expect(peak).toBeLessThanOrEqual(limit);
  expect(ending.quantile(0.99)).toBeLessThanOrEqual(2 * steady.quantile(0.99));
});
