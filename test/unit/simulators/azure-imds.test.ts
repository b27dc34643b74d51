/** The metadata service: tokens of the machine's identities, and what it demands of a request. */
import { describe, expect, it } from 'vitest';
import { rawCall, vaultCall } from '../../simulators/azure/clients.ts';
import { parseJwt } from '../../simulators/azure/jwt.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const clientIds = ['aaaaaaaa-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000002'] as const;

/** Asks for a token; `query` replaces or adds parameters, and an empty value takes one away. */
function ask(
  azure: AzureSimulator,
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = { metadata: 'true' },
) {
  const parameters = new URLSearchParams({
    'api-version': '2018-02-01',
    resource: 'https://vault.azure.net',
    ...query,
  });
  for (const [name, value] of [...parameters]) if (value === '') parameters.delete(name);
  return rawCall(azure, `${azure.imdsEndpoint}/metadata/identity/oauth2/token?${parameters}`, { headers });
}

function clientOf(answer: Awaited<ReturnType<typeof ask>>): unknown {
  return parseJwt(String(answer.json['access_token']))?.claims['appid'];
}

describe('a token of a managed identity', () => {
  it('opens the vault to whom it was granted, and tells its times as strings of digits', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const identity = azure.managedIdentity();
    const { name } = azure.createKey({ kty: 'EC' });
    const seconds = clock.now() / 1000;
    const { json, status } = await ask(azure);
    expect([status, json]).toEqual([
      200,
      {
        access_token: expect.any(String),
        client_id: identity.clientId,
        expires_in: '3600',
        expires_on: String(seconds + 3600),
        ext_expires_in: '3600',
        not_before: String(seconds),
        resource: 'https://vault.azure.net',
        token_type: 'Bearer',
      },
    ]);
    const read = async () => (await vaultCall(azure, `keys/${name}`, { token: String(json['access_token']) })).code;
    expect(await read()).toBe('ForbiddenByPolicy');
    azure.grant(identity.objectId, '*', ['get']);
    expect(await read()).toBe('ok');
  });

  it('is handed out again until half of its life is over', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    azure.managedIdentity();
    const token = async () => (await ask(azure)).json['access_token'];
    const first = await token();
    clock.advance(1_799_000);
    expect(await token()).toBe(first);
    expect((await ask(azure)).json['expires_in']).toBe('1801');
    clock.advance(1_000);
    const second = await token();
    expect(second).not.toBe(first);
    azure.expireTokens();
    expect(await token()).not.toBe(second);
  });

  it('is of the identity that is named, else of the machine’s own, else of the only one', async () => {
    await using azure = await startAzureSimulator();
    const [one, other] = clientIds;
    expect((await ask(azure)).code).toBe('invalid_request');
    azure.managedIdentity({ clientId: one });
    expect(clientOf(await ask(azure))).toBe(one);
    azure.managedIdentity({ clientId: other });
    const unclear = await ask(azure);
    expect([unclear.status, unclear.text]).toEqual([400, expect.stringContaining('Multiple user assigned identities')]);
    expect(clientOf(await ask(azure, { client_id: other }))).toBe(other);
    const own = azure.managedIdentity();
    expect(clientOf(await ask(azure))).toBe(own.clientId);
    expect(clientOf(await ask(azure, { object_id: own.objectId }))).toBe(own.clientId);
    expect(() => azure.managedIdentity()).toThrow('one identity of its own');
  });

  it('is not there for an identity that the machine does not have, or no longer', async () => {
    await using azure = await startAzureSimulator();
    const identity = azure.managedIdentity({ clientId: clientIds[0] });
    const missing = await ask(azure, { client_id: clientIds[1] });
    expect([missing.status, missing.json]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'Identity not found' },
    ]);
    identity.disable();
    expect((await ask(azure)).code).toBe('unauthorized_client');
    identity.remove();
    expect((await ask(azure)).text).toContain('Identity not found');
  });
});

describe('a request to the metadata service', () => {
  it.each<[string, Record<string, string>, Record<string, string>, string]>([
    ['without the header', {}, {}, 'bad_request_102'],
    ['with another value of the header', {}, { metadata: 'false' }, 'bad_request_102'],
    ['that was forwarded', {}, { metadata: 'true', 'x-forwarded-for': '10.0.0.1' }, 'bad_request_103'],
    ['without a version', { 'api-version': '' }, { metadata: 'true' }, 'bad_request'],
    ['with an unknown version', { 'api-version': '2017-01-01' }, { metadata: 'true' }, 'bad_request'],
    ['without a resource', { resource: '' }, { metadata: 'true' }, 'invalid_request'],
    ['for an unknown resource', { resource: 'https://example.com' }, { metadata: 'true' }, 'invalid_resource'],
  ])('%s gets 400', async (_, query, headers, code) => {
    await using azure = await startAzureSimulator();
    azure.managedIdentity();
    const answer = await ask(azure, query, headers);
    expect([answer.status, answer.code]).toEqual([400, code]);
  });

  it('is a probe where it has neither header nor query, as libraries send it', async () => {
    await using azure = await startAzureSimulator();
    const answer = await rawCall(azure, `${azure.imdsEndpoint}/metadata/identity/oauth2/token`);
    expect(answer.status).toBe(400);
    expect(azure.count('probe', { service: 'imds', outcome: 'bad_request_102' })).toBe(1);
    expect(azure.count('token')).toBe(0);
  });

  it('for anything else, or with another method, is refused', async () => {
    await using azure = await startAzureSimulator();
    const headers = { metadata: 'true' };
    expect((await rawCall(azure, `${azure.imdsEndpoint}/metadata/instance`, { headers })).status).toBe(404);
    const path = `${azure.imdsEndpoint}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net`;
    expect((await rawCall(azure, path, { headers, method: 'POST' })).status).toBe(405);
  });
});
