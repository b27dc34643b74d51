/** What a customer does with key, role and policy, on an AWS that nobody here wrote. */
import {
  CancelKeyDeletionCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import { failureOf, never, operations, run, warmed } from '../contract/calls.ts';
import { enterMinistack, type MinistackWorld } from './ministack-world.ts';

const endpoint = inject('endpoints').ministack;

/** What the owner does to a key, what its calls end with, and how it is taken back. */
interface State {
  readonly name: string;
  readonly expected: KmsFault;
  set(world: MinistackWorld, keyId: string): Promise<unknown>;
  unset(world: MinistackWorld, keyId: string): Promise<unknown>;
}

function policyOf(world: MinistackWorld, ...denied: string[]): string {
  const principal = (arn: string) => ({ Principal: { AWS: arn }, Resource: '*' });
  const root = `arn:aws:iam::${world.role.arn.split(':')[4]}:root`;
  const deny = { Effect: 'Deny', Action: denied, ...principal(world.role.arn) };
  const allow = { Effect: 'Allow', Action: 'kms:*', ...principal(root) };
  return JSON.stringify({ Version: '2012-10-17', Statement: denied.length === 0 ? [allow] : [allow, deny] });
}

const states: readonly State[] = [
  {
    name: 'a disabled key',
    expected: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
    set: ({ owner }, KeyId) => owner.send(new DisableKeyCommand({ KeyId })),
    unset: ({ owner }, KeyId) => owner.send(new EnableKeyCommand({ KeyId })),
  },
  {
    name: 'a key that is to be deleted',
    expected: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
    set: ({ owner }, KeyId) => owner.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })),
    async unset({ owner }, KeyId) {
      await owner.send(new CancelKeyDeletionCommand({ KeyId }));
      await owner.send(new EnableKeyCommand({ KeyId }));
    },
  },
  {
    name: 'a key policy that denies the role',
    expected: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
    set: (world, KeyId) => world.owner.send(new PutKeyPolicyCommand({ KeyId, Policy: policyOf(world, 'kms:*') })),
    unset: (world, KeyId) => world.owner.send(new PutKeyPolicyCommand({ KeyId, Policy: policyOf(world) })),
  },
];

describe.skipIf(endpoint === undefined)('a customer’s account on ministack', () => {
  let world: MinistackWorld;
  beforeAll(async () => {
    world = await enterMinistack(endpoint ?? '');
  });
  afterAll(() => world[Symbol.asyncDispose]());

  describe.each(states)('with $name', ({ expected, set, unset }) => {
    it.each(operations)('refuses %s, and serves it again afterwards', async (operation) => {
      await using key = await world.openKey();
      const entry = await warmed(key.service);
      await set(world, key.arn);
      expect((await failureOf(run(operation, key.service, { entry, signal: never }))).fault).toEqual(expected);
      await unset(world, key.arn);
      await run(operation, key.service, { entry, signal: never });
    });
  });

  const strangers = [
    { name: 'a wrong external id', options: { externalId: 'of-somebody-else' } },
    { name: 'a role that does not exist', options: { roleArn: 'arn:aws:iam::000000000000:role/nobody-made-this' } },
  ];

  it.each(strangers)('lets nobody in with $name', async ({ options }) => {
    await using service = world.open(await world.createKey(), options);
    const { fault, details } = await failureOf(warmed(service));
    expect(fault).toEqual({ kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true });
    expect(details).toMatchObject({ operation: 'AssumeRole', providerCode: 'AccessDenied' });
  });

  it('is refused the one call that the key policy denies it, and no other', async () => {
    await using key = await world.openKey();
    const entry = await warmed(key.service);
    for (const operation of operations) await run(operation, key.service, { entry, signal: never });
    const policy = policyOf(world, 'kms:Encrypt');
    await world.owner.send(new PutKeyPolicyCommand({ KeyId: key.arn, Policy: policy }));
    const { fault } = await failureOf(run('wrap', key.service, { entry, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false });
    await run('generate', key.service, { entry, signal: never });
    await run('unwrap', key.service, { entry, signal: never });
  });
});
