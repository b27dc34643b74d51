/** How keyproxy gets tokens for Azure, what their renewal does, and what it means when there are none. */
import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { entraFaults } from '../../src/kms/azure/login-faults.ts';
import { openAzureCredentials } from '../../src/kms/azure/open.ts';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { SimulatedApplication } from '../simulators/azure/principals.ts';
import type { Fault } from '../simulators/http/fault.ts';
import { AzureWorld, seedPermissions } from './azure-world.ts';
import { context, failureOf, never } from './calls.ts';

const request = { length: 32, context, signal: never };
const minute = 60_000;

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const ours: KmsFault = { kind: 'credentials' };
const config: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const refused: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };

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

/** An application that nobody has logged in as, allowed to use every key as the seed has it. */
function newApplication(): SimulatedApplication {
  const application = world.azure.createApplication();
  world.azure.grant(application.objectId, '*', seedPermissions);
  return application;
}

/** A key of the application, whose secret is in a file of its own. */
async function withSecret(application: SimulatedApplication): Promise<{ service: KeyService; file: string }> {
  const file = await world.file(`secret-${application.clientId}`, application.secret);
  await using key = await world.openKey();
  return { service: world.open(key.owned, { identity: world.secretIdentity(application, file) }), file };
}

const used = async (service: KeyService) => (await service.generate(request)).plaintext[Symbol.dispose]();
const logins = (clientId: string) => world.azure.count('token', { clientId });

/** Makes logins meet a fault, and returns what a call ends with. */
async function failedLogin(fault: Fault, service: 'entra' | 'imds' = 'entra') {
  const { service: key } = await withSecret(newApplication());
  await using opened = key;
  world.azure.faults.add({ service, operation: 'token', fault });
  return await failureOf(opened.generate(request));
}

/** Each number by what it has to mean: a second time, from the reference of AADSTS codes. */
const numbers: readonly [meaning: KmsFault, numbers: readonly number[]][] = [
  [ours, [7000215, 7000216, 7000218, 7000222, 700021, 700024, 700027, 700211, 700212, 700213, 70021, 70025, 50027]],
  [ours, [900144]],
  [config, [90002, 900023, 700016, 700025, 500011, 70011, 650052, 650057, 1002012, 50049]],
  [refused, [7000112, 500014, 50105, 53003, 530035, 65001, 90094]],
  [outage, [90033, 90036]],
  [throttled, [90024, 90055, 50196]],
];

describe('a login that Microsoft Entra ID does not give', () => {
  it.each(numbers.flatMap(([meaning, all]) => all.map((number) => [number, meaning] as const)))(
    'sorts AADSTS%i',
    async (number, meaning) => {
      const { fault, details } = await failedLogin({ kind: 'error', code: `AADSTS${number}`, status: 400 });
      expect(fault).toEqual(meaning);
      expect(details).toMatchObject({ provider: 'azure_kv', operation: 'GetToken', providerCode: `AADSTS${number}` });
      expect(details.requestId).toMatch(/^[0-9a-f-]{36}$/);
      if (meaning.kind !== 'outage') expect(details.advice).toMatch(/^[a-z]/);
    },
  );

  it('goes through every number of its table', () => {
    const covered = numbers.flatMap(([, all]) => all.map(String));
    expect(Object.keys(entraFaults).toSorted()).toEqual(covered.toSorted());
  });

  const others: readonly [string, Fault, KmsFault][] = [
    [
      'an unknown number',
      { kind: 'error', code: 'AADSTS999999', status: 400 },
      { kind: 'ambiguous', reason: 'ROLE_DENIED' },
    ],
    ['a failure of its own', { kind: 'error', code: 'server_error/AADSTS90099', status: 503 }, outage],
    ['throttling', { kind: 'throttle' }, throttled],
    ['throttling with Retry-After', { kind: 'throttle', retryAfterSeconds: 7 }, { ...throttled, retryAfterMs: 7_000 }],
    ['a page of a proxy with 200', { kind: 'html', status: 200 }, outage],
    ['a page of a proxy with 403', { kind: 'html', status: 403 }, outage],
    ['a page of a proxy with 502', { kind: 'html', status: 502 }, outage],
    ['a reset connection', { kind: 'reset' }, outage],
    ['an answer cut in the middle', { kind: 'truncate' }, outage],
  ];
  it.each(others)('sorts %s', async (_, fault, expected) => {
    expect((await failedLogin(fault)).fault).toEqual(expected);
  });

  it.each(['hang', 'half-open'] as const)(
    'ends at the caller’s signal where the directory is silent (%s)',
    async (kind) => {
      const { service } = await withSecret(newApplication());
      await using opened = service;
      world.azure.faults.add({ service: 'entra', operation: 'token', fault: { kind } });
      const start = performance.now();
      const { fault } = await failureOf(opened.generate({ ...request, signal: AbortSignal.timeout(100) }));
      expect(fault).toEqual(outage);
      expect(performance.now() - start).toBeLessThan(3_000);
    },
  );

  it('ends by its own timeout where the directory is silent', async () => {
    const { azure, clock } = world;
    const { authorityHost, ca } = azure;
    using credentials = openAzureCredentials({ clock, random: () => 0.5, timeoutMs: 100, authorityHost, ca });
    azure.faults.add({ service: 'entra', operation: 'token', fault: { kind: 'hang' } });
    const { credential, tenant, clientId } = world.secretIdentity();
    const scope = 'https://vault.azure.net/.default';
    using lease = credentials.lease({ credential, tenant, clientId, scope, authorityHost });
    expect((await failureOf(lease.credentials.current(never))).fault).toEqual(outage);
  });

  it('is an outage with a next step where the directory’s certificate is not trusted', async () => {
    const { authorityHost } = world.azure;
    using credentials = openAzureCredentials({
      clock: world.clock,
      random: () => 0.5,
      timeoutMs: 5_000,
      authorityHost,
    });
    const { credential, tenant, clientId } = world.secretIdentity();
    const scope = 'https://vault.azure.net/.default';
    using lease = credentials.lease({ credential, tenant, clientId, scope, authorityHost });
    const { fault, details } = await failureOf(lease.credentials.current(never));
    expect(fault).toEqual(outage);
    expect(details.advice).toContain('certificate');
  });

  it('tells nothing of the secret', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await using opened = service;
    const { inspect } = await import('node:util');
    application.setSecret('another-secret-than-before');
    const shown = inspect(await failureOf(opened.generate(request)), { depth: 9, showHidden: true });
    expect(shown).toContain('AADSTS7000215');
    expect(shown).not.toContain(application.secret);
  });
});

describe('a service principal with its secret in a file', () => {
  it('logs in once for all keys and calls', async () => {
    const application = newApplication();
    const services = await Promise.all([withSecret(application), withSecret(application)]);
    await Promise.all(services.flatMap(({ service }) => [used(service), used(service)]));
    expect(logins(application.clientId)).toBe(1);
    for (const { service } of services) await service[Symbol.asyncDispose]();
  });

  it('takes a new secret from the file at the next login', async () => {
    const application = newApplication();
    const { service, file } = await withSecret(application);
    await using opened = service;
    await used(opened);
    await writeFile(file, `${application.setSecret()}\r\n`);
    world.azure.expireTokens();
    await used(opened);
    expect(logins(application.clientId)).toBe(2);
  });

  it.each([
    ['does not exist', undefined],
    ['is empty', ''],
  ])('is our own fault, with a next step, where its file %s', async (_, content) => {
    const application = newApplication();
    const path =
      content === undefined ? '/nonexistent/secret' : await world.file(`empty-${application.clientId}`, content);
    await using key = await world.openKey();
    await using service = world.open(key.owned, { identity: world.secretIdentity(application, path) });
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual(ours);
    expect(details.advice).toContain('file');
    expect(JSON.stringify(details)).not.toContain(path);
  });
});

describe('tokens', () => {
  it('are renewed well before they end, and calls never wait for it', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await using opened = service;
    await used(opened);
    world.clock.skip(45 * minute);
    await vi.waitFor(() => expect(logins(application.clientId)).toBe(2));
    await used(opened);
    expect(logins(application.clientId)).toBe(2);
  });

  it('stay in use while they are valid and the directory does not answer', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await using opened = service;
    await used(opened);
    world.azure.faults.add({ service: 'entra', operation: 'token', fault: { kind: 'reset' } });
    world.clock.skip(45 * minute);
    await used(opened);
    expect(logins(application.clientId)).toBe(1);
  });

  it('that the vault finds stale are renewed once, and the call goes on', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await using opened = service;
    await used(opened);
    world.azure.expireTokens();
    await Promise.all([used(opened), used(opened), used(opened)]);
    expect(logins(application.clientId)).toBe(2);
  });

  it('of an application that the customer has switched off end in a refusal', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await using opened = service;
    await used(opened);
    application.disable();
    expect((await failureOf(opened.generate(request))).fault).toEqual(refused);
    application.enable();
    world.clock.skip(minute);
    await used(opened);
  });

  it('of another directory than the vault’s are our own fault', async () => {
    const application = world.azure.createApplication({ tenant: '11111111-2222-3333-4444-555555555555' });
    const { service } = await withSecret(application);
    await using opened = service;
    const { fault, details } = await failureOf(opened.generate(request));
    expect(fault).toEqual(ours);
    expect(details.advice).toContain('tenant');
  });

  it('are given up when the last key that used them is closed, and their end is known until then', async () => {
    const application = newApplication();
    const { service } = await withSecret(application);
    await used(service);
    const mine = () => world.credentials.expiries().filter(({ clientId }) => clientId === application.clientId);
    expect(mine()).toEqual([
      expect.objectContaining({ tenant: world.azure.tenant, scope: 'https://vault.azure.net/.default' }),
    ]);
    await service[Symbol.asyncDispose]();
    expect(mine()).toEqual([]);
  });
});

describe('workload identity', () => {
  const issuer = 'https://oidc.example/cluster-1';
  const subject = 'system:serviceaccount:shop:keyproxy';
  const audience = 'api://AzureADTokenExchange';

  async function pod(token: { subject?: string; expiresInSeconds?: number } = {}) {
    const application = newApplication();
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
    expect(logins(clientId)).toBe(2);
  });

  it('takes file and application from the environment where the key’s own file names none', async () => {
    const { open, clientId, tokenFile } = await pod();
    vi.stubEnv('AZURE_CLIENT_ID', clientId);
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', tokenFile);
    await using service = open({});
    await used(service);
    expect(logins(clientId)).toBe(1);
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
