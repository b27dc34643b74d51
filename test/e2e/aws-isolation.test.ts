/** Calls of one tenant do not wait for the key service of another. test/long/tenant-latency.test.ts has it in figures. */
import { expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { tailOf } from '../support/tail.ts';

/** Of every answer of the slow tenant's key service, in milliseconds: within its time limit, and far above what a busy machine adds to a call. */
const slowMs = 600;

test('cached calls of a tenant go on while four callers of another wait for its key service', async () => {
  await using aws = await startAwsSimulator();
  const slowKey = aws.createKey();
  await using folder = await awsFolder(aws, [
    { id: 'slow', keyArn: slowKey.arn },
    { id: 'fast', keyArn: aws.createKey().arn },
  ]);
  await using daemon = await startAwsDaemon(aws, folder);
  using fast = connect(daemon.socket);
  using slow = connect(daemon.tcp);
  const { wrapped_dek } = await fast.call<{ wrapped_dek: Buffer }>('GenerateDEK', { tenant_id: 'fast' });
  const cached = () => fast.call('Unwrap', { tenant_id: 'fast', wrapped_dek });
  await tailOf(cached, 200);
  aws.faults.add({ keyArn: slowKey.arn, fault: { kind: 'latency', ms: slowMs } });
  const isOver = { slow: false };
  const waiting = Promise.all(
    Array.from({ length: 4 }, () => slow.call('GenerateDEK', { tenant_id: 'slow', source: 'DEK_SOURCE_KMS' })),
  ).then(() => (isOver.slow = true));
  const tail = await tailOf(cached, 500);
  expect(isOver.slow).toBe(false);
  expect(tail).toBeLessThan(slowMs);
  await waiting;
  expect(aws.count('GenerateDataKey', { keyArn: slowKey.arn })).toBe(4);
});
