/** What a daemon that was killed leaves to the next one: the customer's no, the keys in use, and no key on the disk. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';
import { awsTenant } from '../../support/aws-tenant.ts';
import { busiestSecond } from '../../support/busiest-second.ts';
import { connect } from '../../support/client.ts';
import { toldBy, untilServed } from '../../support/client-errors.ts';
import { type DaemonFolder, daemonFolder } from '../../support/daemon-folder.ts';
import { readStateFiles, secretsIn } from '../../support/state-files.ts';
import { startSteadily } from '../../support/steady-start.ts';

const stack = new AsyncDisposableStack();
let aws: AwsSimulator;
beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
});
afterAll(() => stack.disposeAsync());

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

/** A folder of a daemon that keeps its state, with one tenant. */
function folderOf(tenant: Parameters<typeof awsTenant>[1]): Promise<DaemonFolder> {
  return daemonFolder({
    extra: `trusted_endpoints: ["${aws.endpoint}"]\nstate: { directory: state }\nlog: { level: warn }`,
    tenants: { [`${tenant.id}.yaml`]: awsTenant(aws, tenant) },
  });
}

function stateOf(folder: DaemonFolder): string {
  return join(folder.path, 'state');
}

describe.concurrent('a daemon that was killed', () => {
  test('leaves the no of a customer to the next, which neither serves nor asks a replica while the key is silent', async ({
    expect,
  }) => {
    const [tenant_id, primary, replica] = ['refused', aws.createKey(), aws.createKey({ region: 'eu-west-1' })];
    const more = `
  replicas: [{ provider: aws_kms, aws_kms: { key_arn: "${replica.arn}", endpoint: "${aws.endpoint}" } }]
  dek: { source: kms }
  canary: { interval_seconds: 10 }`;
    await using folder = await folderOf({ id: tenant_id, keyArn: primary.arn, more });
    let request: { tenant_id: string; wrapped_dek: Buffer };
    {
      await using first = await startSteadily(aws, folder);
      using client = connect(first.socket);
      const { wrapped_dek } = await client.call<Made>('GenerateDEK', { tenant_id });
      request = { tenant_id, wrapped_dek };
      primary.disable();
      expect(toldBy(await client.error('GenerateDEK', request)).reason).toBe('KEY_DISABLED');
      const rows = async () => (await readStateFiles(stateOf(folder))).rows.get('refusals.json')?.length ?? 0;
      await vi.waitFor(async () => expect(await rows()).toBe(1), { timeout: 5_000 });
      // Its scope ends with SIGKILL.
    }
    primary.enable();
    const silent = aws.faults.add({ keyArn: primary.arn, fault: { kind: 'reset' } });
    await using second = await startSteadily(aws, folder);
    using client = connect(second.socket);
    const replicaCalls = aws.calls.filter(({ keyArn }) => keyArn === replica.arn).length;
    for (let i = 0; i < 20; i++) {
      expect(toldBy(await client.error('Unwrap', request)).reason).toBe('KEY_DISABLED');
      expect(toldBy(await client.error('GenerateDEK', request)).reason).toBe('KEY_DISABLED');
      await sleep(100);
    }
    const told = await client.call<{ state: string; reason: string }>('DescribeTenant', { tenant_id });
    expect(told).toMatchObject({ state: 'TENANT_STATE_REFUSED', reason: 'KEY_DISABLED' });
    expect(aws.calls.filter(({ keyArn }) => keyArn === replica.arn).length).toBe(replicaCalls);
    silent.remove();
    await untilServed(client, request);
    const rows = async () => (await readStateFiles(stateOf(folder))).rows.get('refusals.json');
    await vi.waitFor(async () => expect(await rows()).toEqual([]), { timeout: 5_000 });
  });

  test('has its data keys fetched again by the next, inside the limit of calls and before anybody asks', async ({
    expect,
  }) => {
    const [tenant_id, key, limit, number] = ['warm', aws.createKey(), 10, 30];
    const more = `
  cache_config: { warm_start: true }
  dek: { source: kms }
  limits: { kms_calls_per_second: ${limit} }`;
    await using folder = await folderOf({ id: tenant_id, keyArn: key.arn, more });
    const made: Made[] = [];
    {
      await using first = await startSteadily(aws, folder);
      using client = connect(first.socket);
      for (let i = 0; i < number; i++) made.push(await client.call<Made>('GenerateDEK', { tenant_id }));
      expect(await first.stop()).toBe(0);
    }
    const { bytes, rows } = await readStateFiles(stateOf(folder));
    expect(rows.get('warm-warm.json')).toHaveLength(number);
    expect(
      secretsIn(
        bytes,
        made.map(({ plaintext }) => plaintext),
      ),
    ).toEqual([]);
    await using second = await startSteadily(aws, folder);
    using client = connect(second.socket);
    const opened = () => aws.calls.filter((call) => call.operation === 'Decrypt' && call.keyArn === key.arn);
    await expect.poll(() => opened().length, { timeout: 20_000 }).toBe(number);
    expect(busiestSecond(opened().map(({ at }) => at))).toBeLessThanOrEqual(limit);
    const entries = async () =>
      (await client.call<{ cache_entries: number }>('DescribeTenant', { tenant_id })).cache_entries;
    await vi.waitFor(async () => expect(await entries()).toBe(number), { timeout: 5_000 });
    for (const { plaintext, wrapped_dek } of made) {
      expect(await client.call('Unwrap', { tenant_id, wrapped_dek })).toMatchObject({ plaintext });
    }
    expect(opened()).toHaveLength(number);
  });
});
