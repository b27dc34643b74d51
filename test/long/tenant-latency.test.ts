/**
 * One tenant's slow key service costs another tenant's cached calls next to nothing: the tails of both, in pairs of rounds.
 * test/e2e/aws-isolation.test.ts shows that they do not wait for it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';
import { tailOf } from '../support/tail.ts';

/** Bound on the ratio of the two tails (issue: 1.2 times). */
const bound = 1.2;
/** Fewest and most pairs of rounds: a machine with other work needs more of them to tell. */
const pairs = { fewest: 7, most: 40 };
const callsOfRound = 1000;
const slowCallers = 4;

let aws: AwsSimulator;
let slowKey: SimulatedKey;
let folder: DaemonFolder;
let daemon: Daemon;

beforeAll(async () => {
  aws = await startAwsSimulator();
  slowKey = aws.createKey();
  folder = await awsFolder(aws, [
    { id: 'slow', keyArn: slowKey.arn },
    { id: 'fast', keyArn: aws.createKey().arn },
  ]);
  daemon = await startAwsDaemon(aws, folder);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

test('with 200 ms of latency for one tenant, the p99 of another stays within 1.2 times its own', async () => {
  using fast = connect(daemon.socket);
  using slow = connect(daemon.tcp);
  const { wrapped_dek } = await fast.call<{ wrapped_dek: Buffer }>('GenerateDEK', { tenant_id: 'fast' });
  const cached = () => fast.call('Unwrap', { tenant_id: 'fast', wrapped_dek });
  aws.faults.add({ keyArn: slowKey.arn, fault: { kind: 'latency', ms: 200 } });
  await tailOf(cached, callsOfRound);

  const alone: number[] = [];
  const beside: number[] = [];
  while (alone.length < pairs.fewest || (alone.length < pairs.most && median(beside) > bound * median(alone))) {
    alone.push(await tailOf(cached, callsOfRound));
    const stop = new AbortController();
    const waiting = Array.from({ length: slowCallers }, async () => {
      while (!stop.signal.aborted) await slow.call('GenerateDEK', { tenant_id: 'slow', source: 'DEK_SOURCE_KMS' });
    });
    beside.push(await tailOf(cached, callsOfRound));
    stop.abort();
    await Promise.all(waiting);
  }
  // Every pair of rounds had callers of the slow tenant waiting for its key service.
  expect(aws.count('GenerateDataKey', { keyArn: slowKey.arn })).toBeGreaterThanOrEqual(slowCallers * alone.length);
  expect(median(beside) / median(alone)).toBeLessThanOrEqual(bound);
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
