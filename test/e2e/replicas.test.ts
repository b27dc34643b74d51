/** Replicas under load: a region that gives no answer costs time and no data, and a refusal is never got around. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { toldBy, untilServed } from '../support/client-errors.ts';
import { readMetrics } from '../support/client-metrics.ts';
import type { Daemon } from '../support/daemon.ts';

const context = { purpose: 'orders' };
const timeoutMs = 800;
/** How many calls at a time, how many in all, and for how long at least. */
const [workers, leastCalls, leastMs] = [4, 1_500, 3_000];

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
  readonly key: { readonly key_id: string };
}

/** A tenant of its own for each test: they run in any order. */
interface Tenant {
  readonly id: string;
  readonly primary: SimulatedKey;
  readonly replica: SimulatedKey;
}

const stack = new AsyncDisposableStack();
let aws: AwsSimulator;
let daemon: Daemon;
let client: KeyProxyClient;
let tenants: Record<'loaded' | 'refused' | 'described', Tenant>;

function tenantOf(id: string): Tenant {
  return { id, primary: aws.createKey({ region: 'us-east-1' }), replica: aws.createKey({ region: 'eu-west-1' }) };
}

function fileOf({ id, primary, replica }: Tenant) {
  const more = `
  replicas:
    - provider: aws_kms
      aws_kms: { key_arn: "${replica.arn}", endpoint: "${aws.endpoint}" }
  cache_config: { ttl_seconds: 0 }
  dek: { source: kms }
  limits: { kms_timeout_ms: ${timeoutMs}, kms_calls_per_second: 10000 }`;
  return { id, keyArn: primary.arn, more };
}

beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
  tenants = { loaded: tenantOf('loaded'), refused: tenantOf('refused'), described: tenantOf('described') };
  const folder = stack.use(await awsFolder(aws, Object.values(tenants).map(fileOf)));
  daemon = stack.use(await startAwsDaemon(aws, folder));
  client = stack.use(connect(daemon.socket));
});
afterAll(() => stack.disposeAsync());

function generate(tenant: Tenant): Promise<Made> {
  return client.call<Made>('GenerateDEK', { tenant_id: tenant.id, encryption_context: context });
}

function unwrap(tenant: Tenant, { wrapped_dek }: Made): Promise<Made> {
  return client.call<Made>('Unwrap', { tenant_id: tenant.id, encryption_context: context, wrapped_dek });
}

/** Unwraps `made` over and over, several at a time. Returns how long each took, in order of size, and what failed. */
async function load(tenant: Tenant, made: readonly Made[]) {
  const [times, failures]: [number[], unknown[]] = [[], []];
  const begin = performance.now();
  const goesOn = () => performance.now() - begin < leastMs || times.length < leastCalls;
  const work = async (first: number) => {
    for (let i = first; goesOn(); i += workers) {
      const dek = made[i % made.length] as Made;
      const start = performance.now();
      try {
        const opened = await unwrap(tenant, dek);
        if (!opened.plaintext.equals(dek.plaintext)) failures.push('another key came back');
      } catch (error) {
        failures.push(error);
      }
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  return { times: times.toSorted((a, b) => a - b), failures };
}

describe('a tenant with a replica in another region', () => {
  test('loses no decryption while the primary region hangs, and goes back to it by itself', async () => {
    const tenant = tenants.loaded;
    const { primary, replica } = tenant;
    aws.faults.clear();
    // An attempt before this one may have left its circuit open.
    const isBack = async () => (await generate(tenant)).key.key_id;
    await expect.poll(isBack, { timeout: 20_000, interval: 100 }).toBe(primary.arn);
    const made = await Promise.all(Array.from({ length: 20 }, () => generate(tenant)));
    expect(new Set(made.map(({ key }) => key.key_id))).toEqual(new Set([primary.arn]));
    const before = (await readMetrics(daemon.http)).sum('keyproxy_kms_failovers_total', { tenant: tenant.id });
    const rule = aws.faults.add({ keyArn: primary.arn, fault: { kind: 'hang' } });
    const { times, failures } = await load(tenant, made);
    expect(failures).toEqual([]);
    // Only those calls wait that open the circuit, and the few that look whether the region is back.
    expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(timeoutMs / 2);
    expect(times.filter((time) => time > timeoutMs / 2).length).toBeLessThanOrEqual(workers + 5);
    const silent = await readMetrics(daemon.http);
    expect(silent.sum('keyproxy_kms_circuit_open', { tenant: tenant.id, key: 'current' })).toBe(1);
    expect(silent.sum('keyproxy_kms_failovers_total', { tenant: tenant.id }) - before).toBe(times.length);

    const meanwhile = await generate(tenant);
    expect(meanwhile.key.key_id).toBe(replica.arn);
    rule.remove();
    await expect.poll(isBack, { timeout: 20_000, interval: 100 }).toBe(primary.arn);
    expect((await unwrap(tenant, meanwhile)).plaintext).toEqual(meanwhile.plaintext);
    const back = await readMetrics(daemon.http);
    expect(back.sum('keyproxy_kms_circuit_open', { tenant: tenant.id })).toBe(0);
    expect(daemon.output()).toContain('a key service gives no answer, calls to it fail at once');
    expect(daemon.output()).toContain('a key service answers again');
  });

  test('is refused with its primary, and no call goes to the replica', async () => {
    const tenant = tenants.refused;
    const { primary, replica } = tenant;
    const made = await generate(tenant);
    const before = aws.count('Decrypt', { keyArn: replica.arn }) + aws.count('Encrypt', { keyArn: replica.arn });
    primary.disable();
    const request = { tenant_id: tenant.id, encryption_context: context, wrapped_dek: made.wrapped_dek };
    for (const verb of ['Unwrap', 'GenerateDEK']) {
      expect(toldBy(await client.error(verb, request)).reason).toBe('KEY_DISABLED');
    }
    primary.enable();
    expect(aws.count('Decrypt', { keyArn: replica.arn }) + aws.count('Encrypt', { keyArn: replica.arn })).toBe(before);
    expect(await untilServed(client, request)).toMatchObject({ plaintext: made.plaintext });
  });

  test('is told the replica, and what stands under both keys opens with either alone', async () => {
    const tenant = tenants.described;
    const { primary, replica } = tenant;
    const described = await client.call<{ replicas: { key: { key_id: string }; state: string }[] }>('DescribeTenant', {
      tenant_id: tenant.id,
    });
    expect(described.replicas).toMatchObject([{ key: { key_id: replica.arn }, state: 'TENANT_STATE_ACTIVE' }]);
    const made = await generate(tenant);
    replica.disable();
    expect((await unwrap(tenant, made)).key.key_id).toBe(primary.arn);
    replica.enable();
    const rule = aws.faults.add({ keyArn: primary.arn, fault: { kind: 'reset' } });
    expect((await unwrap(tenant, made)).key.key_id).toBe(replica.arn);
    rule.remove();
  });
});
