/** What a session under a customer's role can do: use the one key that it was opened for, whatever else the role may. */
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  ListAliasesCommand,
  ListResourceTagsCommand,
  ReEncryptCommand,
} from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { namingPolicy, servingPolicy } from '../../src/kms/aws/session-policy.ts';
import { kmsClient, refusal } from '../simulators/aws/clients.ts';
import { AwsWorld, externalId, type RoleKeyInHand } from './aws-world.ts';
import { context, failureOf, never, operations, run, warmed } from './calls.ts';

const good = { demanded: externalId, given: externalId };

/** The SDK with the session that the provider has, as somebody who had taken it would use it. */
async function withItsSession(world: AwsWorld, key: RoleKeyInHand, policyFor = servingPolicy) {
  using lease = world.credentials.lease({
    tenantId: 'acme',
    region: key.owned.region,
    role: { arn: key.role.arn, externalId, policy: policyFor(key.owned.arn) },
  });
  const session = await lease.credentials.current(never);
  return kmsClient(world.aws, { credentials: session });
}

describe('a session under a role that may do everything', () => {
  it('serves its own key in every way that keyproxy uses', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const entry = await warmed(key.service);
    for (const operation of operations) await run(operation, key.service, { entry, signal: never });
    expect(world.aws.count('AssumeRole')).toBe(1);
    expect(world.aws.count('DescribeKey', { outcome: 'ok' })).toBe(1);
  });

  it('reaches no other key, although the role does', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    await warmed(key.service);
    const client = await withItsSession(world, key);
    expect(world.aws.count('AssumeRole')).toBe(1);
    const KeyId = world.aws.createKey().arn;
    const Plaintext = Buffer.from('x');
    const { CiphertextBlob } = await kmsClient(world.aws).send(new EncryptCommand({ KeyId, Plaintext }));
    for (const call of [
      client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })),
      client.send(new EncryptCommand({ KeyId, Plaintext })),
      client.send(new DecryptCommand({ KeyId, CiphertextBlob })),
      client.send(new DecryptCommand({ CiphertextBlob })),
      client.send(new DescribeKeyCommand({ KeyId })),
    ]) {
      expect((await refusal(call)).name).toBe('AccessDeniedException');
    }
  });

  it('of its own reads what the key is called, and uses none', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const { arn: KeyId } = key.owned;
    const client = await withItsSession(world, key, namingPolicy);
    await client.send(new ListAliasesCommand({ KeyId }));
    await client.send(new ListResourceTagsCommand({ KeyId }));
    for (const call of [
      client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })),
      client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })),
      client.send(new DescribeKeyCommand({ KeyId })),
      client.send(new ListResourceTagsCommand({ KeyId: world.aws.createKey().arn })),
    ]) {
      expect((await refusal(call)).name).toBe('AccessDeniedException');
    }
  });

  it('does nothing with its own key that keyproxy does not do', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const entry = await warmed(key.service);
    const client = await withItsSession(world, key);
    const KeyId = key.owned.arn;
    const EncryptionContext = Object.fromEntries(context.pairs);
    const moved = new ReEncryptCommand({
      CiphertextBlob: entry.ciphertext,
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId: KeyId,
    });
    expect((await refusal(client.send(moved))).name).toBe('AccessDeniedException');
    expect((await refusal(client.send(new GetKeyPolicyCommand({ KeyId })))).name).toBe('AccessDeniedException');
  });

  it('is one of its own for each of several related keys', async () => {
    await using world = await AwsWorld.start();
    const primary = world.aws.createKey({ keyId: 'mrk-0123456789abcdef0123456789abcdef' });
    const replica = primary.replicate('eu-west-1');
    const { role } = world.openRoleKey(good);
    const given = { arn: role.arn, externalId };
    await using here = world.open(primary, { role: given });
    await using there = world.open(replica, { role: given });
    const entry = await warmed(here);
    await run('unwrap', there, { entry, signal: never });
    expect(world.aws.count('AssumeRole')).toBe(2);
    const narrowed = await withItsSession(world, { owned: primary, role } as RoleKeyInHand);
    const elsewhere = kmsClient(world.aws, { region: 'eu-west-1', credentials: narrowed.config.credentials });
    const call = elsewhere.send(new DescribeKeyCommand({ KeyId: replica.arn }));
    expect((await refusal(call)).name).toBe('AccessDeniedException');
  });

  it('does not widen a role that may not use the key', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    const Statement = [{ Effect: 'Allow', Action: 'kms:DescribeKey', Resource: '*' }];
    key.role.setPermissions({ Version: '2012-10-17', Statement });
    const { fault } = await failureOf(key.service.generate({ length: 32, context, signal: never }));
    expect(fault).toMatchObject({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED' });
  });
});

describe('the policy of a session', () => {
  it('names four operations and the key, in any partition and well below the limit of STS', () => {
    for (const partition of ['aws', 'aws-cn', 'aws-us-gov']) {
      const arn = `arn:${partition}:kms:ap-southeast-2:111122223333:key/${'x'.repeat(128)}`;
      const text = servingPolicy(arn);
      expect(JSON.parse(text).Statement).toEqual([
        {
          Effect: 'Allow',
          Action: ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:Encrypt', 'kms:DescribeKey'],
          Resource: arn,
        },
      ]);
      expect(text.length).toBeLessThan(512);
    }
  });
});
