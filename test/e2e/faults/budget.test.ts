/** The limit of calls to a customer's key service, counted where they arrive, and what stands behind it in an outage. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';
import type { SimulatedKey } from '../../simulators/aws/simulated-key.ts';
import { awsFolder, startAwsDaemon } from '../../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../../support/client.ts';
import { toldBy } from '../../support/client-errors.ts';

const stack = new AsyncDisposableStack();
let aws: AwsSimulator;
let client: KeyProxyClient;
let keys: Record<'unclear' | 'hanging' | 'standin', SimulatedKey>;
const limit = 10;

beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
  keys = { unclear: aws.createKey(), hanging: aws.createKey(), standin: aws.createKey({ region: 'eu-west-1' }) };
  const off = 'cache_config: { ttl_seconds: 0 }\n  dek: { source: kms }';
  const folder = stack.use(
    await awsFolder(aws, [
      {
        id: 'unclear',
        keyArn: keys.unclear.arn,
        more: `  ${off}\n  limits: { kms_calls_per_second: ${limit} }`,
      },
      {
        id: 'hanging',
        keyArn: keys.hanging.arn,
        more: `  ${off}\n  limits: { kms_timeout_ms: 3000, kms_calls_per_second: 200 }
  replicas: [{ provider: aws_kms, aws_kms: { key_arn: "${keys.standin.arn}", endpoint: "${aws.endpoint}" } }]`,
      },
    ]),
  );
  const daemon = stack.use(await startAwsDaemon(aws, folder));
  client = stack.use(connect(daemon.socket));
});
afterAll(() => stack.disposeAsync());

interface Made {
  readonly wrapped_dek: Buffer;
}

/** The reason of a failed call, `ok` for one that succeeded. */
function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'ok',
    (error) => toldBy(error).reason,
  );
}

/** Most calls about a key in any second, by when they arrived. */
function peak({ arn }: SimulatedKey): number {
  const times = aws.calls.filter(({ keyArn }) => keyArn === arn).map(({ at }) => at);
  times.sort((a, b) => a - b);
  return Math.max(...times.map((at) => times.filter((other) => other >= at && other < at + 1000).length));
}

test('counts what one unclear answer leads to: no second sees more calls than the limit and a canary', async () => {
  const { wrapped_dek } = await client.call<Made>('GenerateDEK', { tenant_id: 'unclear' });
  const { arn: keyArn } = keys.unclear;
  const error = (code: string) => ({ kind: 'error', code, status: 400 }) as const;
  const rules = [
    aws.faults.add({ keyArn, operation: 'Decrypt', fault: error('KMSInvalidStateException') }),
    aws.faults.add({ keyArn, operation: 'DescribeKey', fault: error('AccessDeniedException') }),
  ];
  const begin = performance.now();
  while (performance.now() - begin < 2_500) {
    await Promise.all(
      Array.from({ length: 5 }, () => outcome(client.call('Unwrap', { tenant_id: 'unclear', wrapped_dek }))),
    );
  }
  for (const rule of rules) rule.remove();
  // A canary is made by one call and opened by another, once a second at most.
  expect(peak(keys.unclear)).toBeLessThanOrEqual(limit + 2 * 2);
});

test('a burst that waits for its turn at a silent key goes to its replica', async () => {
  const made: Made[] = [];
  for (let i = 0; i < 50; i++) made.push(await client.call<Made>('GenerateDEK', { tenant_id: 'hanging' }));
  const rule = aws.faults.add({ keyArn: keys.hanging.arn, fault: { kind: 'hang' } });
  const outcomes = await Promise.all(
    made.map(({ wrapped_dek }) => outcome(client.call('Unwrap', { tenant_id: 'hanging', wrapped_dek }))),
  );
  rule.remove();
  expect(
    Map.groupBy(outcomes, (each) => each)
      .keys()
      .toArray(),
  ).toEqual(['ok']);
});
