/** The customer's role in front of a key: who gets in, how sessions are renewed, and what their end means. */
import { describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { AwsWorld, externalId } from './aws-world.ts';
import { context, failureOf, never } from './calls.ts';

const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const good = { demanded: externalId, given: externalId };

/** Past the point of renewal of a session of 900 s, and well before its end. */
const renewalDueMs = 610_000;

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

/** Waits for what happens in the background. */
function untilAssumed(world: AwsWorld, times: number): Promise<void> {
  return vi.waitFor(() => expect(world.aws.count('AssumeRole')).toBe(times), { timeout: 5_000, interval: 5 });
}

describe('a role in front of a key', () => {
  it('is assumed with the external id, in the name of tenant and node', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey({ ...good, tenantId: 'tenant_12345' });
    await generate(key.service);
    expect(world.aws.count('AssumeRole', { roleSessionName: 'keyproxy-tenant_12345-node-1', outcome: 'ok' })).toBe(1);
    expect(world.aws.count('GenerateDataKey', { roleSessionName: 'keyproxy-tenant_12345-node-1' })).toBe(1);
  });

  it.each(['keyproxy-00000000', externalId.toUpperCase(), `${externalId}x`])(
    'refuses another external id (%s)',
    async (given) => {
      await using world = await AwsWorld.start();
      await using key = world.openRoleKey({ demanded: externalId, given });
      expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied);
      expect(world.aws.calls.filter((call) => call.service === 'kms')).toEqual([]);
    },
  );

  it('refuses whoever its trust policy does not name', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    key.role.setTrust(world.aws.trustFor({ principal: 'arn:aws:iam::999999999999:user/other', externalId }));
    expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied);
  });

  it('is assumed in the region of the key', async () => {
    await using world = await AwsWorld.start();
    const role = world.openRoleKey(good).role;
    const statement = { Effect: 'Allow', Principal: { AWS: world.aws.platform.arn }, Action: 'sts:AssumeRole' };
    const Condition = { StringEquals: { 'aws:RequestedRegion': 'ap-southeast-2' } };
    role.setTrust({ Version: '2012-10-17', Statement: [{ ...statement, Condition }] });
    const given = { arn: role.arn, externalId };
    await using there = world.open(world.aws.createKey({ region: 'ap-southeast-2' }), { role: given });
    await using elsewhere = world.open(world.aws.createKey({ region: 'us-west-2' }), { role: given });
    await generate(there);
    expect((await failureOf(generate(elsewhere))).fault).toEqual(roleDenied);
  });

  it('refuses once it has been deleted', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    key.role.remove();
    expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied);
  });

  it('is assumed without trust in the given id where its policy demands none', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey({ given: 'anything-at-all' });
    await generate(key.service);
    expect(world.aws.count('AssumeRole', { outcome: 'ok' })).toBe(1);
  });
});

describe('a session', () => {
  it('is asked for once by any number of calls', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await Promise.all(Array.from({ length: 30 }, () => generate(key.service)));
    expect(world.aws.count('AssumeRole')).toBe(1);
  });

  it('is shared by all that open one key for one tenant through one role and external id, and by no others', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const role = { arn: key.role.arn, externalId };
    await using same = world.open(key.owned, { role });
    await using tenant = world.open(key.owned, { role, tenantId: 'other' });
    await using otherKey = world.open(world.aws.createKey(), { role });
    await using region = world.open(world.aws.createKey({ region: 'eu-central-1' }), { role });
    for (const service of [key.service, same]) await generate(service);
    expect(world.aws.count('AssumeRole')).toBe(1);
    for (const service of [tenant, otherKey, region]) await generate(service);
    expect(world.aws.count('AssumeRole')).toBe(4);
  });

  it('that AWS ended early is replaced within the call', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await generate(key.service);
    world.aws.expireSessions();
    await Promise.all(Array.from({ length: 10 }, () => generate(key.service)));
    expect(world.aws.count('AssumeRole')).toBe(2);
    expect(world.aws.count('GenerateDataKey', { outcome: 'ExpiredTokenException' })).toBeGreaterThan(0);
  });

  it('is renewed in the background before it ends', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await generate(key.service);
    world.clock.skip(renewalDueMs);
    await untilAssumed(world, 2);
  });

  it('stays in use to its end while STS hangs, in the last 300 s too', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await generate(key.service);
    world.aws.faults.add({ service: 'sts', fault: { kind: 'hang' } });
    world.clock.skip(700_000);
    for (let i = 0; i < 5; i++) await generate(key.service);
    world.clock.skip(190_000);
    await generate(key.service);
  });

  it('that has ended while STS gives no answer is an outage, and the next answer ends that', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await generate(key.service);
    const fault = world.aws.faults.add({ service: 'sts', fault: { kind: 'reset' } });
    world.clock.skip(901_000);
    expect((await failureOf(generate(key.service))).fault).toEqual(outage);
    fault.remove();
    await generate(key.service);
  });

  it('whose renewal is refused ends at once, and comes back when the customer trusts again', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await generate(key.service);
    key.role.setTrust(world.aws.trustFor({ principal: world.aws.platform.arn, externalId: 'changed' }));
    await generate(key.service);
    world.clock.skip(renewalDueMs);
    // Counted by the simulator is not yet known here: the answer is on its way.
    await vi.waitFor(async () => expect((await failureOf(generate(key.service))).fault).toEqual(roleDenied));
    key.role.setTrust(world.aws.trustFor({ principal: world.aws.platform.arn, externalId }));
    world.clock.skip(1_000);
    await generate(key.service);
  });

  it('tells its end for a gauge, as long as anybody uses it', async () => {
    await using world = await AwsWorld.start();
    const key = world.openRoleKey(good);
    expect(world.credentials.expiries()).toEqual([]);
    await generate(key.service);
    const [expiry, ...others] = world.credentials.expiries();
    expect(others).toEqual([]);
    expect(expiry).toMatchObject({ tenantId: 'acme', roleArn: key.role.arn, region: 'us-east-1' });
    const left = (expiry?.expiresAtMs ?? 0) - Date.now();
    expect(left).toBeGreaterThan(880_000);
    expect(left).toBeLessThanOrEqual(900_000);
    await key.service[Symbol.asyncDispose]();
    expect(world.credentials.expiries()).toEqual([]);
  });

  it('is renewed while one key of several is open, and no longer', async () => {
    await using world = await AwsWorld.start();
    const key = world.openRoleKey(good);
    const second = world.open(key.owned, { role: { arn: key.role.arn, externalId } });
    await generate(key.service);
    await key.service[Symbol.asyncDispose]();
    await key.service[Symbol.asyncDispose]();
    world.clock.skip(renewalDueMs);
    await untilAssumed(world, 2);
    await second[Symbol.asyncDispose]();
    world.clock.skip(10 * renewalDueMs);
    await new Promise((done) => setTimeout(done, 50));
    expect(world.aws.count('AssumeRole')).toBe(2);
  });
});

describe("keyproxy's own identity", () => {
  it('is read again once when STS takes it no longer', async () => {
    let reads = 0;
    await using world = await AwsWorld.start(async (aws) =>
      reads++ === 0 ? { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'old' } : aws.platform,
    );
    await using key = world.openRoleKey(good);
    await generate(key.service);
    expect(reads).toBe(2);
  });

  it('that nobody knows is a fault of the credentials, and never a refusal', async () => {
    await using world = await AwsWorld.start(async () => ({
      accessKeyId: 'AKIAAAAAAAAAAAAAAAAA',
      secretAccessKey: 'x',
    }));
    await using behindRole = world.openRoleKey(good);
    await using direct = await world.openKey();
    for (const { service } of [behindRole, direct]) {
      expect((await failureOf(generate(service))).fault).toEqual({ kind: 'credentials' });
    }
  });

  it('that is not there is a fault of the credentials, and of no text of its source', async () => {
    await using world = await AwsWorld.start(async () => {
      throw Object.assign(new Error('no secret in /var/run/thing'), { name: 'CredentialsProviderError' });
    });
    await using key = await world.openKey();
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual({ kind: 'credentials' });
    expect(error.message).not.toContain('thing');
  });

  it('whose source gives no answer is an outage', async () => {
    await using world = await AwsWorld.start(async () => {
      throw Object.assign(new Error('metadata'), { code: 'ECONNREFUSED' });
    });
    await using key = world.openRoleKey(good);
    expect((await failureOf(generate(key.service))).fault).toEqual(outage);
  });
});
