/** What `inspect` of an AWS key finds: permissions that lack, roles that anybody gets, keys that serve any tenant. */
import { describe, expect, it } from 'vitest';
import { openAwsCredentials, openAwsKey } from '../../src/kms/aws/open.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { about, complaints, inspect } from './aws-findings.ts';
import { AwsWorld, externalId, type RoleKeyInHand } from './aws-world.ts';
import { context, failureOf, never, warmed } from './calls.ts';

const good = { demanded: externalId, given: externalId };

describe('an inspection of a key behind a role', () => {
  it('finds nothing to complain of where all is as it should be', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    key.owned.setRotation(365);
    const found = await inspect(key.service);
    expect(found.map(({ verdict }) => verdict)).toEqual(Array.from(found, () => 'ok'));
    expect(found.map(({ step }) => step)).toEqual([
      'may be used with kms:Encrypt (Rewrap, key rotation, replicas and RSA keys)',
      "may be used with kms:DescribeKey (exact messages about the key's state, and RSA keys)",
      'is behind a role that nobody gets without an external id',
      'is behind a role that nobody gets with a wrong external id',
      'is rotated by AWS every 365 days',
    ]);
  });

  it('fails where the role demands no external id, and leaves no session that could do anything', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey({ given: externalId });
    const found = await complaints(key.service);
    expect(found.filter(({ verdict }) => verdict === 'failed').map(({ step }) => step)).toEqual([
      'is behind a role that nobody gets without an external id',
      'is behind a role that nobody gets with a wrong external id',
    ]);
    for (const { verdict, advice } of found) if (verdict === 'failed') expect(advice).toContain('confused deputy');
  });

  it('fails where the role only demands some external id', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const Condition = { Null: { 'sts:ExternalId': 'false' } };
    const statement = { Effect: 'Allow', Principal: { AWS: world.aws.platform.arn }, Action: 'sts:AssumeRole' };
    key.role.setTrust({ Version: '2012-10-17', Statement: [{ ...statement, Condition }] });
    const found = await inspect(key.service);
    expect(about(found, 'without an external id')?.verdict).toBe('ok');
    expect(about(found, 'with a wrong external id')?.verdict).toBe('failed');
  });

  it('warns where STS does not say whether it would give the role', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await warmed(key.service);
    world.aws.faults.add({ service: 'sts', fault: { kind: 'reset' } });
    const found = await inspect(key.service);
    expect(about(found, 'without an external id')).toMatchObject({ verdict: 'warning' });
  });

  it('names the statement where the key’s policy may be read', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    key.owned.setPolicy(policyOf(key, ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:GetKeyPolicy']));
    const found = await complaints(key.service);
    expect(about(found, 'kms:Encrypt ')).toMatchObject({
      verdict: 'warning',
      advice: expect.stringMatching(/^add kms:Encrypt to statement "Use of the key"; without it Rewrap/),
    });
    expect(world.aws.count('GetKeyPolicy', { outcome: 'ok' })).toBe(1);
  });

  it('names the condition that shuts keyproxy out where the key’s policy may be read', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const Condition = { StringEquals: { 'kms:ViaService': 'rds.us-east-1.amazonaws.com' } };
    const { Statement } = policyOf(key, ['kms:*']);
    const reading = policyOf(key, ['kms:GetKeyPolicy'], 'Look').Statement;
    const narrowed = Statement.map((statement) => ({ ...statement, Condition }));
    key.owned.setPolicy({ Version: '2012-10-17', Statement: [...narrowed, ...reading] });
    const found = await complaints(key.service);
    expect(about(found, 'kms:GenerateDataKey')).toMatchObject({
      verdict: 'failed',
      advice: expect.stringMatching(/statement "Use of the key" has a condition on kms:ViaService/),
    });
  });

  it('says nothing more where the role cannot be assumed: the round trip has told it', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey({ demanded: externalId, given: 'keyproxy-wrong' });
    expect(await inspect(key.service)).toEqual([]);
  });

  it.each([
    ['disabled', (key: SimulatedKey) => key.disable()],
    ['to be deleted', (key: SimulatedKey) => key.scheduleDeletion()],
  ])('does not take a key that is %s for one without permissions', async (_, act) => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    act(key.owned);
    expect(about(await inspect(key.service), 'kms:Encrypt ')).toBeUndefined();
  });

  it('ends with its signal, and throws nothing', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    world.aws.faults.add({ service: 'kms', fault: { kind: 'hang' } });
    const start = performance.now();
    expect(await key.service.inspect?.({ context, signal: AbortSignal.timeout(100) })).toEqual([]);
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});

describe('an inspection of a key with no role in front', () => {
  const bound = (operations: readonly string[]) => ({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:Encrypt'],
        Resource: '*',
      },
      {
        Effect: 'Deny',
        Principal: '*',
        Action: operations,
        Resource: '*',
        Condition: { StringNotEquals: { 'kms:EncryptionContext:tenant_id': 'acme' } },
      },
    ],
  });

  it.each([
    ['is fine where the policy binds both operations', ['kms:GenerateDataKey', 'kms:Decrypt'], 'ok', undefined],
    ['warns where it binds Decrypt alone', ['kms:Decrypt'], 'warning', 'kms:GenerateDataKey work'],
    ['warns where it binds GenerateDataKey alone', ['kms:GenerateDataKey'], 'warning', 'kms:Decrypt work'],
  ])('%s', async (_, operations, verdict, part) => {
    await using world = await AwsWorld.start();
    const owned = world.aws.createKey({ policy: bound(operations) });
    await using service = world.open(owned, {});
    const finding = about(await inspect(service), 'every other tenant');
    expect(finding?.verdict).toBe(verdict);
    if (part !== undefined) expect(finding?.advice).toContain(part);
  });

  it('warns of an RSA key, which binds nothing', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey({ kind: 'RSA_2048' });
    expect(about(await inspect(key.service), 'every other tenant')?.verdict).toBe('warning');
  });

  it('tells the lack of rotation, and nothing for keys that do not rotate', async () => {
    await using world = await AwsWorld.start();
    await using plain = await world.openKey();
    await using rsa = await world.openKey({ kind: 'RSA_2048' });
    const finding = about(await inspect(plain.service), 'rotated');
    expect(finding).toMatchObject({ verdict: 'warning', advice: expect.stringContaining('enable-key-rotation') });
    expect(about(await inspect(rsa.service), 'rotated')).toBeUndefined();
  });
});

it('sessions for looking can look, and cannot use the key', async () => {
  await using world = await AwsWorld.start();
  await using key = world.openRoleKey(good);
  await inspect(key.service);
  // One session that serves, one that looks; the two that nobody was to get were refused.
  expect(world.aws.count('AssumeRole', { outcome: 'ok' })).toBe(2);
  expect(world.aws.count('AssumeRole', { outcome: 'AccessDenied' })).toBe(2);
  expect(world.credentials.expiries()).toHaveLength(1);
});

it('what shows in an error of an own identity that is not there is the next step', async () => {
  await using world = await AwsWorld.start();
  using credentials = openAwsCredentials({
    clock: world.clock,
    random: () => 0.5,
    nodeName: 'n',
    timeoutMs: 1_000,
    own: () => Promise.reject(Object.assign(new Error('secret words'), { name: 'CredentialsProviderError' })),
  });
  const { arn: keyArn, region } = world.aws.createKey();
  const config = { provider: 'aws_kms', keyArn, region, endpoint: world.aws.endpoint } as const;
  const runtime = { clock: world.clock, tenantId: 'acme', timeoutMs: 1_000, credentials };
  await using service = openAwsKey(config, runtime);
  const { details } = await failureOf(service.generate({ length: 32, context, signal: never }));
  expect(details.advice).toContain("check keyproxy's own credentials");
});

function policyOf(key: RoleKeyInHand, Action: readonly string[], Sid = 'Use of the key') {
  return {
    Version: '2012-10-17',
    Statement: [{ Sid, Effect: 'Allow', Principal: { AWS: key.role.arn }, Action, Resource: '*' }],
  };
}
