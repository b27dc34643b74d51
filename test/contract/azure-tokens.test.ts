/** Secrets in files, and what becomes of tokens while keys are in use. */
import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { minute, request } from './azure-calls.ts';
import { AzureWorld } from './azure-world.ts';
import { failureOf } from './calls.ts';

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start();
});
afterAll(() => world[Symbol.asyncDispose]());
afterEach(() => world.azure.faults.clear());

const ours: KmsFault = { kind: 'credentials' };
const refused: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const used = async (service: KeyService) => (await service.generate(request)).plaintext[Symbol.dispose]();

describe('a service principal with its secret in a file', () => {
  it('logs in once for all keys and calls', async () => {
    const application = world.newApplication();
    const services = await Promise.all([world.withSecret(application), world.withSecret(application)]);
    await Promise.all(services.flatMap(({ service }) => [used(service), used(service)]));
    expect(world.logins(application.clientId)).toBe(1);
    for (const { service } of services) await service[Symbol.asyncDispose]();
  });

  it('takes a new secret from the file at the next login', async () => {
    const application = world.newApplication();
    const { service, file } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    await writeFile(file, `${application.setSecret()}\r\n`);
    world.azure.expireTokens();
    await used(opened);
    expect(world.logins(application.clientId)).toBe(2);
  });

  it.each([
    ['does not exist', undefined],
    ['is empty', ''],
  ])('is our own fault, with a next step, where its file %s', async (_, content) => {
    const application = world.newApplication();
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
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    world.clock.skip(45 * minute);
    await vi.waitFor(() => expect(world.logins(application.clientId)).toBe(2));
    await used(opened);
    expect(world.logins(application.clientId)).toBe(2);
  });

  it('stay in use while they are valid and the directory does not answer', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    world.azure.faults.add({ service: 'entra', operation: 'token', fault: { kind: 'reset' } });
    world.clock.skip(45 * minute);
    await used(opened);
    expect(world.logins(application.clientId)).toBe(1);
  });

  it('that the vault finds stale are renewed once, and the call goes on', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    world.azure.expireTokens();
    await Promise.all([used(opened), used(opened), used(opened)]);
    expect(world.logins(application.clientId)).toBe(2);
  });

  it('of an application that the customer has switched off end in a refusal', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    application.disable();
    expect((await failureOf(opened.generate(request))).fault).toEqual(refused);
    application.enable();
    world.clock.skip(minute);
    await used(opened);
  });

  it('of an application that the customer’s directory knows no longer may mean a refusal', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    await used(opened);
    const fault = { kind: 'error', code: 'AADSTS700016', status: 400 } as const;
    world.azure.faults.add({ service: 'entra', operation: 'token', fault });
    world.azure.expireTokens();
    const failure = await failureOf(opened.generate(request));
    expect(failure.fault).toEqual({ kind: 'ambiguous', reason: 'ROLE_DENIED' });
    expect(failure.details).toMatchObject({
      providerCode: 'AADSTS700016',
      advice: expect.stringContaining('client_id'),
    });
  });

  it('of another directory than the vault’s are our own fault', async () => {
    const application = world.azure.createApplication({ tenant: '11111111-2222-3333-4444-555555555555' });
    const { service } = await world.withSecret(application);
    await using opened = service;
    const { fault, details } = await failureOf(opened.generate(request));
    expect(fault).toEqual(ours);
    expect(details.advice).toContain('tenant');
  });

  it('are given up when the last key that used them is closed, and their end is known until then', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await used(service);
    const mine = () => world.credentials.expiries().filter(({ clientId }) => clientId === application.clientId);
    expect(mine()).toEqual([
      expect.objectContaining({ tenant: world.azure.tenant, scope: 'https://vault.azure.net/.default' }),
    ]);
    await service[Symbol.asyncDispose]();
    expect(mine()).toEqual([]);
  });
});
