/**
 * Half an hour of mixed traffic at half of what this machine can do: a daemon that holds on to anything of a call shows it
 * as memory or descriptors that grow. `KEYPROXY_SOAK_MINUTES` makes it shorter, for trying; what is then too short to tell
 * growth from chance is printed and not judged.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';
import { memoryHeld, recordMemory } from '../support/memory-record.ts';
import { runPaced } from '../support/paced-load.ts';
import { openDescriptors } from '../support/process-usage.ts';
import { progressLine, type Sample, trendsOf, trendTable } from './soak-report.ts';
import { type Traffic, trafficOf, unexpected } from './traffic.ts';

/** How long the soak is that its figures are judged by, and how long this one is, in minutes. */
const fullMinutes = 30;
const minutes = Number(process.env['KEYPROXY_SOAK_MINUTES'] ?? fullMinutes);
const isFull = minutes >= fullMinutes;
/** How long a data key is cached, and the time between two samples, in seconds. */
const [ttlSeconds, intervalSeconds] = [60, 15];
/** Samples that count as one: those of a data key's time in the cache. A short soak has too few to put together. */
const together = isFull ? ttlSeconds / intervalSeconds : 1;
/** The share at the beginning in which caches fill and code is compiled. */
const warmUpShare = 0.2;
/** What it may grow by, in bytes an hour, at the upper end of the interval. */
const mostGrowth = 2 ** 20;
/** Descriptors come and go with connections to the key services: so many more or less are no trend. */
const descriptorsSpan = 10;
/** A machine with other work to do lets a call to the key service time out once in a while. */
const mostSurprises = 1 / 10_000;

const tenantIds = Array.from({ length: 50 }, (_, index) => `tenant-${index}`);
const refused = 'refused';
const maxInFlight = 500;

let aws: AwsSimulator;
let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;
let memoryFile: string;
beforeAll(async () => {
  aws = await startAwsSimulator();
  const disabled = aws.createKey();
  const more = `  cache_config: { ttl_seconds: ${ttlSeconds} }`;
  const tenants = tenantIds.map((id) => ({ id, keyArn: aws.createKey().arn, more }));
  folder = await awsFolder(aws, [...tenants, { id: refused, keyArn: disabled.arn, more }]);
  disabled.disable();
  memoryFile = join(folder.path, 'memory');
  const environment = { ...recordMemory(memoryFile), KEYPROXY_LOG_LEVEL: 'fatal' };
  daemon = await startAwsDaemon(aws, folder, environment, { hardening: 'none' });
  client = connect(daemon.socket);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

async function sampleAt(start: number): Promise<Sample> {
  const pid = daemon.process.pid ?? 0;
  const { heapUsed, external, rss } = await memoryHeld(pid, memoryFile);
  const hours = (performance.now() - start) / 3_600_000;
  return { hours, held: heapUsed + external, resident: rss, descriptors: await openDescriptors(pid) };
}

/** Calls a second that this machine can do: each of many callers makes its next call when the one before has ended. */
async function capacityOf(traffic: Traffic): Promise<number> {
  const drive = async (seconds: number) => {
    const end = performance.now() + seconds * 1000;
    let done = 0;
    const caller = async () => {
      for (; performance.now() < end; done++) await traffic.call();
    };
    await Promise.all(Array.from({ length: 64 }, caller));
    return done / seconds;
  };
  await drive(5);
  return drive(5);
}

const say = (line: string) => process.stdout.write(`${line}\n`);

test(`${minutes} minutes of traffic leave nothing behind in the daemon`, async () => {
  const traffic = trafficOf({ client, tenants: tenantIds, refused });
  const capacity = await capacityOf(traffic);
  const rate = Math.round(capacity / 2);
  say(`soak: ${minutes} min at ${rate} calls/s, half of the ${Math.round(capacity)} that this machine does`);
  const madeKeys = () => aws.count('GenerateDataKey', { outcome: 'ok' });
  const [madeBefore, start] = [madeKeys(), performance.now()];
  const samples: Sample[] = [await sampleAt(start)];
  let [calls, surprises] = [0, 0];
  for (let round = 1; round <= (minutes * 60) / intervalSeconds; round++) {
    const records = await runPaced({ rate, seconds: intervalSeconds, maxInFlight, call: traffic.call });
    calls += records.outcome.length;
    surprises += records.count(unexpected);
    const sample = await sampleAt(start);
    samples.push(sample);
    if ((round * intervalSeconds) % 60 === 0) say(progressLine({ sample, calls, surprises, records }));
  }
  const judged = samples.slice(Math.ceil(samples.length * warmUpShare));
  const made = madeKeys() - madeBefore;
  const trends = trendsOf(judged, together);
  say(`\nsoak of ${minutes} min, ${calls} calls, ${surprises} unexpected; ${made} data keys made by AWS`);
  for (const [kind, count] of [...traffic.calls, ...traffic.surprises]) say(`  ${kind.padEnd(40)} ${count}`);
  say(`${judged.length} of ${samples.length} samples, those after the warm-up:\n${trendTable(trends)}`);
  expect(surprises).toBeLessThanOrEqual(calls * mostSurprises);
  // Three root keys of fifty tenants go out of date every minute.
  expect(made).toBeGreaterThan(100 * (minutes - 1));
  const { held, descriptors } = trends;
  expect(descriptors.most - descriptors.least <= descriptorsSpan || descriptors.low <= 0).toBe(true);
  if (isFull) expect(held.high).toBeLessThan(mostGrowth);
  else say(`a soak of less than ${fullMinutes} minutes asserts nothing about the slope of memory`);
});
