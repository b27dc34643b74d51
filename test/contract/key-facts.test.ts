/** What keys are called and marked with, as each provider tells it to those who may know. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { KeyFacts } from '../../src/kms/key-facts.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { createLocalKeyFile } from '../../src/kms/local/key-file.ts';
import { openLocalKey } from '../../src/kms/local/open.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { AwsWorld, externalId, type RoleKeyInHand } from './aws-world.ts';
import { AzureWorld } from './azure-world.ts';
import { failureOf, never } from './calls.ts';
import { GcpWorld } from './gcp-world.ts';
import { VaultWorld } from './vault-world.ts';

const all = { names: true, tags: true };

function factsOf(service: KeyService, wanted = all): Promise<KeyFacts> {
  if (service.facts === undefined) throw new Error('the key tells nothing of itself');
  return service.facts({ ...wanted, signal: never });
}

const outside = { kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' };
const silence = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

const allow = (Action: readonly string[], Resource: string) => ({ Effect: 'Allow', Action, Resource });
const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });

describe('AWS', () => {
  const behindRole = (world: AwsWorld): RoleKeyInHand => world.openRoleKey({ demanded: externalId, given: externalId });

  it('tells all aliases and all tags of a key, page by page, and of no other', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    await using other = await world.openKey();
    const names = Array.from({ length: 8 }, (_, i) => `prod-${i}`);
    const tags = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`Tag${i}`, `value ${i}`]));
    for (const name of names) key.owned.setAlias(`alias/${name}`);
    key.owned.setTags(tags);
    other.owned.setAlias('alias/prod-other');
    expect(await factsOf(key.service)).toEqual({ names, tags: new Map(Object.entries(tags)) });
    expect(await factsOf(other.service)).toEqual({ names: ['prod-other'], tags: new Map() });
    expect(world.aws.count('ListAliases', { keyArn: key.owned.arn })).toBe(3);
  });

  it('tells an alias no longer once it points to another key', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    await using other = await world.openKey();
    key.owned.setAlias('alias/prod-orders');
    other.owned.setAlias('alias/prod-orders');
    expect((await factsOf(key.service)).names).toEqual([]);
  });

  it('tells it in a session of its own', async () => {
    await using world = await AwsWorld.start();
    await using key = behindRole(world);
    key.owned.setAlias('alias/prod-orders');
    key.owned.setTags({ Environment: 'production' });
    expect(await factsOf(key.service)).toEqual({
      names: ['prod-orders'],
      tags: new Map([['Environment', 'production']]),
    });
    expect(world.aws.calls.map(({ operation }) => operation)).toEqual([
      'AssumeRole',
      'ListAliases',
      'ListResourceTags',
    ]);
  });

  it('asks for what is wanted alone', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    await factsOf(key.service, { names: true, tags: false });
    await factsOf(key.service, { names: false, tags: true });
    expect(world.aws.calls.map(({ operation }) => operation)).toEqual(['ListAliases', 'ListResourceTags']);
  });

  it.each([
    [
      'kms:ListAliases',
      ['kms:ListResourceTags'],
      /aliases .* cannot be read; allow kms:ListAliases with the resource \*/,
    ],
    ['kms:ListResourceTags', ['kms:ListAliases'], /tags .* cannot be read; allow kms:ListResourceTags on the key/],
  ])('names %s where it is missing', async (_missing, given, advice) => {
    await using world = await AwsWorld.start();
    await using key = behindRole(world);
    key.role.setPermissions(policy(allow(given, '*')));
    const { fault, details } = await failureOf(factsOf(key.service));
    expect(fault).toEqual(outside);
    expect(details).toMatchObject({ providerCode: 'AccessDeniedException', advice: expect.stringMatching(advice) });
    expect(details.requestId).toBeDefined();
  });

  it('lists aliases for nobody who may do so on the key alone', async () => {
    await using world = await AwsWorld.start();
    await using key = behindRole(world);
    key.role.setPermissions(policy(allow(['kms:*'], key.owned.arn)));
    expect((await failureOf(factsOf(key.service))).details.operation).toBe('ListAliases');
  });

  it('tells nothing to callers of another account', async () => {
    await using world = await AwsWorld.start();
    const owned = world.aws.createKey({
      accountId: '999988887777',
      policy: policy({ ...allow(['kms:*'], '*'), Principal: { AWS: world.aws.platform.arn } }),
    });
    await using service = world.open(owned, {});
    const { fault, details } = await failureOf(factsOf(service));
    expect(fault).toEqual(outside);
    expect(details.advice).toMatch(/use a role of the key's own account \(role_arn\)/);
  });

  it.each(['ListAliases', 'ListResourceTags'])('is in an outage where %s gets no answer', async (operation) => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    world.aws.faults.add({ service: 'kms', operation, fault: { kind: 'reset' } });
    expect((await failureOf(factsOf(key.service))).fault).toEqual(silence);
  });
});

describe('Azure', () => {
  it('tells the name of a key, and the tags of the version that new data goes under', async () => {
    await using world = await AzureWorld.start();
    const owned = world.create();
    const first = owned.version;
    owned.setTags({ Environment: 'production' });
    owned.rotate();
    await using newest = world.open(owned);
    await using pinned = world.open(owned, { keyVersion: first });
    expect(await factsOf(newest)).toEqual({ names: [owned.name], tags: new Map() });
    expect(await factsOf(pinned)).toEqual({ names: [owned.name], tags: new Map([['Environment', 'production']]) });
  });

  it('knows the name without asking', async () => {
    await using world = await AzureWorld.start();
    await using key = await world.openKey();
    const counted = world.counting(key.owned);
    expect(await factsOf(key.service, { names: true, tags: false })).toEqual({
      names: [key.owned.name],
      tags: new Map(),
    });
    expect(counted()).toEqual([]);
  });

  it('names the permission that is missing', async () => {
    await using world = await AzureWorld.start();
    const owned = world.azure.createKey({ kty: 'RSA' });
    world.azure.grant(world.application.objectId, owned.name, ['unwrapKey']);
    await using service = world.open(owned);
    const { fault, details } = await failureOf(factsOf(service));
    expect(fault).toEqual(outside);
    expect(details.advice).toMatch(/tags .* cannot be read; give keyproxy's identity the permission get on the key/);
  });

  it('is in an outage where the vault gives no answer', async () => {
    await using world = await AzureWorld.start();
    await using key = await world.openKey();
    world.azure.faults.add({ service: 'vault', operation: 'getKey', fault: { kind: 'reset' } });
    expect((await failureOf(factsOf(key.service))).fault).toEqual(silence);
  });
});

describe('Google', () => {
  it('tells the last part of the name of a key, and its labels', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    key.owned.setLabels({ environment: 'production', team: 'a' });
    expect(await factsOf(key.service)).toEqual({
      names: [key.owned.name.split('/').at(-1)],
      tags: new Map([
        ['environment', 'production'],
        ['team', 'a'],
      ]),
    });
  });

  it('names the permission that is missing', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    world.gcp.revoke(world.account.email, key.owned.name);
    world.gcp.grant(world.account.email, key.owned.name, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
    const { fault, details } = await failureOf(factsOf(key.service));
    expect(fault).toEqual(outside);
    expect(details.advice).toMatch(/labels .* cannot be read; give keyproxy's account cloudkms\.cryptoKeys\.get/);
  });

  it('is in an outage where it gives no answer', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    world.gcp.faults.add({ operation: 'GetCryptoKey', fault: { kind: 'reset' } });
    expect((await failureOf(factsOf(key.service))).fault).toEqual(silence);
  });
});

it('Vault tells the name of a key without being asked', async () => {
  await using world = await VaultWorld.start();
  await using key = await world.openRoleKey();
  const before = world.vault.calls.length;
  expect(await factsOf(key.service)).toEqual({ names: [key.owned.name], tags: new Map() });
  expect(world.vault.calls.length).toBe(before);
});

it('A local key has the name of its file of configuration', async () => {
  await using folder = await temporaryFolder();
  const keyFile = join(folder.path, 'key');
  await createLocalKeyFile(keyFile);
  await using service = await openLocalKey({ provider: 'local', keyName: 'prod-local', keyFile });
  expect(await factsOf(service)).toEqual({ names: ['prod-local'], tags: new Map() });
});
