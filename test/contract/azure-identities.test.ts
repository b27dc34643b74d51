/** Identities without a secret: of a pod, and of a machine. */
import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { minute, request } from './azure-calls.ts';
import { AzureWorld, seedPermissions } from './azure-world.ts';
import { failureOf } from './calls.ts';

/** One world for the file: the library of managed identities stays with the first address that a process gives it. */
let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', world.azure.imdsEndpoint));
afterEach(() => {
  vi.unstubAllEnvs();
  world.azure.faults.clear();
});

const ours: KmsFault = { kind: 'credentials' };
const config: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const used = async (service: KeyService) => (await service.generate(request)).plaintext[Symbol.dispose]();

describe('workload identity', () => {
  const issuer = 'https://oidc.example/cluster-1';
  const subject = 'system:serviceaccount:shop:keyproxy';
  const audience = 'api://AzureADTokenExchange';

  async function pod(token: { subject?: string; expiresInSeconds?: number } = {}) {
    const application = world.newApplication();
    world.azure.federate(application, { issuer, subject, audience });
    const mint = () => world.azure.mintServiceAccountToken({ issuer, subject, audience, ...token });
    const tokenFile = await world.file(`token-${application.clientId}`, await mint());
    await using key = await world.openKey();
    const { tenant, clientId } = application;
    const open = (identity: { clientId?: string; tokenFile?: string }) => {
      const { tokenFile: file, ...named } = identity;
      const credential = { kind: 'workload_identity', ...(file !== undefined && { tokenFile: file }) } as const;
      return world.open(key.owned, { identity: { tenant, ...named, credential } });
    };
    return { application, tokenFile, clientId, open };
  }

  it('exchanges the token of the pod, which it reads anew at each login', async () => {
    const { open, clientId, tokenFile } = await pod();
    await using service = open({ clientId, tokenFile });
    await used(service);
    await writeFile(tokenFile, await world.azure.mintServiceAccountToken({ issuer, subject, audience }));
    world.azure.expireTokens();
    await used(service);
    expect(world.logins(clientId)).toBe(2);
  });

  it('takes file and application from the environment where the key’s own file names none', async () => {
    const { open, clientId, tokenFile } = await pod();
    vi.stubEnv('AZURE_CLIENT_ID', clientId);
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', tokenFile);
    await using service = open({});
    await used(service);
    expect(world.logins(clientId)).toBe(1);
  });

  it.each([
    ['has another subject', { subject: 'system:serviceaccount:shop:other' }, 'federated credential'],
    ['is over its time', { expiresInSeconds: -600 }, 'outside of its time'],
  ])('is our own fault where the pod’s token %s', async (_, token, advice) => {
    const { open, clientId, tokenFile } = await pod(token);
    await using service = open({ clientId, tokenFile });
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual(ours);
    expect(details.advice).toContain(advice);
  });

  it.each([
    ['there is no file', { tokenFile: '/nonexistent/token' }],
    ['nothing names a file', {}],
  ])('is our own fault where %s', async (_, identity) => {
    const { open, clientId } = await pod();
    await using service = open({ clientId, ...identity });
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual(ours);
    expect(details.advice).toContain('projected token');
  });
});

describe('a managed identity', () => {
  async function machine(clientId?: string) {
    const identity = world.azure.managedIdentity(clientId === undefined ? {} : { clientId });
    world.azure.grant(identity.objectId, '*', seedPermissions);
    await using key = await world.openKey();
    const open = () =>
      world.open(key.owned, {
        identity: { ...(clientId !== undefined && { clientId }), credential: { kind: 'managed_identity' } },
      });
    return { identity, open, [Symbol.dispose]: () => identity.remove() };
  }
  const asked = () => world.azure.count('token', { service: 'imds' });

  it('of the machine is used without a secret or a name', async () => {
    using own = await machine();
    await using service = own.open();
    await used(service);
    expect(world.azure.calls.findLast(({ operation }) => operation === 'unwrapKey')).toMatchObject({
      clientId: own.identity.clientId,
    });
  });

  it('of several is named by its client id', async () => {
    using first = await machine('aaaaaaaa-0000-4000-8000-000000000001');
    using second = await machine('aaaaaaaa-0000-4000-8000-000000000002');
    await using service = second.open();
    await used(service);
    expect(world.azure.calls.findLast(({ operation }) => operation === 'unwrapKey')).toMatchObject({
      clientId: second.identity.clientId,
    });
    expect(first.identity.clientId).not.toBe(second.identity.clientId);
  });

  it('is asked for a new token where the vault finds one stale, whatever the library remembers', async () => {
    using own = await machine();
    await using service = own.open();
    await used(service);
    const before = asked();
    world.azure.expireTokens();
    await used(service);
    expect(asked()).toBe(before + 1);
  });

  it('has its token renewed by the token’s true end', async () => {
    using own = await machine();
    await using service = own.open();
    await used(service);
    const [expiry] = world.credentials.expiries().filter(({ clientId, tenant }) => (clientId ?? tenant) === undefined);
    expect((expiry?.expiresAtMs ?? 0) - Date.now()).toBeGreaterThan(50 * minute);
    const before = asked();
    world.clock.skip(45 * minute);
    await vi.waitFor(() => expect(asked()).toBe(before + 1));
  });

  it('that the machine does not have is a fault of the configuration', async () => {
    await using key = await world.openKey();
    await using service = world.open(key.owned, { identity: { credential: { kind: 'managed_identity' } } });
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual(config);
    expect(details.advice).toContain('assign a managed identity');
  });

  it.each([
    ['does not answer', { kind: 'reset' } as const],
    ['is unwell', { kind: 'error', code: 'server_error', status: 500 } as const],
    ['is throttled', { kind: 'throttle' } as const],
  ])('is an outage where the machine’s metadata service %s', async (_, fault) => {
    using own = await machine();
    await using service = own.open();
    world.azure.faults.add({ service: 'imds', operation: 'token', fault });
    expect((await failureOf(service.generate(request))).fault.kind).toBe('outage');
  });
});
