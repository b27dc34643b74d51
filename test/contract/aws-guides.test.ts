/** The key policies of the product's guides, word for word: what works under each, and what is said of the rest. */
import { describe, expect, it } from 'vitest';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import { about, complaints } from './aws-findings.ts';
import { customerAccount, type GuidePolicy, guidePolicy, platformRoles } from './aws-key-policies.ts';
import { AwsWorld } from './aws-world.ts';
import { context, failureOf, never, run, warmed } from './calls.ts';

/** A world where keyproxy runs under the role that a guide's policy names, and a key of the customer's with that policy. */
async function guided(name: GuidePolicy) {
  let role: SimulatedRole | undefined;
  const world = await AwsWorld.start(async (aws: AwsSimulator) => {
    role ??= aws.createRole({ ...platformRoles[name], trust: aws.trustFor({ principal: aws.platform.arn }) });
    return role.session({ name: 'keyproxy', seconds: 3600 });
  });
  const owned = world.aws.createKey({ accountId: customerAccount, policy: guidePolicy(name) });
  return { world, owned, service: world.open(owned, {}) };
}

const denied = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };

describe('the key policies of the guides, with no role to assume and no external id', () => {
  it('of the setup guide lets keyproxy do all it does, and only misses the tenant in it', async () => {
    const { world, service } = await guided('setup-guide');
    await using _world = world;
    await using _service = service;
    const entry = await warmed(service);
    for (const operation of ['generate', 'wrap', 'unwrap'] as const) {
      await run(operation, service, { entry, signal: never });
    }
    const found = await complaints(service);
    expect(found.map(({ verdict, step }) => [verdict, step])).toEqual([
      ['warning', 'refuses every other tenant (kms:EncryptionContext:tenant_id)'],
    ]);
  });

  it('of the implementation guide serves, and the features that lack are named with the permission to add', async () => {
    const { world, service } = await guided('implementation-guide');
    await using _world = world;
    await using _service = service;
    const entry = await warmed(service);
    await run('unwrap', service, { entry, signal: never });
    expect((await failureOf(run('wrap', service, { entry, signal: never }))).fault).toEqual(denied);
    const found = await complaints(service);
    expect(found.every(({ verdict }) => verdict === 'warning')).toBe(true);
    const encrypt = about(found, 'kms:Encrypt ')?.advice;
    for (const part of ['Rewrap, key rotation, replicas', 'add kms:Encrypt', 'that allows kms:GenerateDataKey']) {
      expect(encrypt).toContain(part);
    }
    expect(about(found, 'kms:DescribeKey')?.advice).toContain("exact messages about the key's state");
  });

  it('with kms:ViaService shuts keyproxy out, and every way of saying so names that condition', async () => {
    const { world, service } = await guided('setup-guide-via-service');
    await using _world = world;
    await using _service = service;
    const error = await failureOf(service.generate({ length: 32, context, signal: never }));
    expect(error.fault).toEqual(denied);
    expect(error.details.advice).toContain('kms:ViaService');
    const found = await complaints(service);
    expect(about(found, 'kms:GenerateDataKey')).toMatchObject({
      verdict: 'failed',
      advice: expect.stringContaining('kms:ViaService'),
    });
  });
});
