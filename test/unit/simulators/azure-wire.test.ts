/** The vault's protocol: what a request has to look like, what every answer has, and what the record of calls keeps. */
import { describe, expect, it } from 'vitest';
import { askForToken, rawCall, tokenOf, type VaultCall, vaultCall } from '../../simulators/azure/clients.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';

async function prepared(azure: AzureSimulator) {
  const application = azure.createApplication();
  const key = azure.createKey();
  azure.grant(application.objectId, '*', ['get', 'list', 'wrapKey', 'unwrapKey']);
  const token = await tokenOf(azure, application);
  return {
    application,
    key,
    token,
    call: (path: string, more: VaultCall = {}) => vaultCall(azure, path, { token, ...more }),
  };
}

const value = Buffer.alloc(32, 7).toString('base64url');

describe('a request to a vault', () => {
  it.each(['', '1.0', '7', '2099-01-01'])('with the API version "%s" is refused', async (apiVersion) => {
    await using azure = await startAzureSimulator();
    const { call, key } = await prepared(azure);
    const answer = await call(`keys/${key.name}`, { apiVersion });
    expect([answer.status, answer.code]).toEqual([400, 'BadParameter']);
  });

  it.each(['7.0', '7.4', '7.6', '2025-07-01'])('with the API version %s is answered', async (apiVersion) => {
    await using azure = await startAzureSimulator();
    const { call, key } = await prepared(azure);
    expect((await call(`keys/${key.name}`, { apiVersion })).status).toBe(200);
  });

  it.each([
    ['GET', 'secrets/a', 404],
    ['GET', '', 404],
    ['POST', 'keys', 400],
    ['GET', 'keys/a/00000000000000000000000000000000/wrapkey', 400],
    ['DELETE', 'keys/a/00000000000000000000000000000000', 400],
    ['POST', 'keys/a/00000000000000000000000000000000/rewrap', 400],
    ['GET', 'keys/a_b', 400],
    ['GET', `keys/${'a'.repeat(128)}`, 400],
    ['POST', 'keys/a/short/wrapkey', 400],
  ])('with %s and the path /%s is refused with %i', async (method, path, status) => {
    await using azure = await startAzureSimulator();
    const { call } = await prepared(azure);
    expect((await call(path, { method })).status).toBe(status);
  });

  it.each<[string, object | undefined, number]>([
    ['no body', undefined, 415],
    ['an empty object', {}, 400],
    ['no algorithm', { value }, 400],
    ['no value', { alg: 'RSA-OAEP-256' }, 400],
    ['an empty value', { alg: 'RSA-OAEP-256', value: '' }, 400],
    ['an algorithm that nobody knows', { alg: 'RSA-OAEP-1024', value }, 400],
    ['a value that is a number', { alg: 'RSA-OAEP-256', value: 7 }, 400],
    ['a value in base64 with padding', { alg: 'RSA-OAEP-256', value: 'AAAA+w==' }, 400],
    ['a value that ends in bits that mean nothing', { alg: 'RSA-OAEP-256', value: 'AB' }, 400],
  ])('to wrap with %s is refused', async (_, body, status) => {
    await using azure = await startAzureSimulator();
    const { call, key } = await prepared(azure);
    const answer = await call(`keys/${key.name}/${key.version}/wrapkey`, { method: 'POST', ...(body && { body }) });
    expect(answer.status).toBe(status);
  });

  it('to wrap with a body that is no JSON object, or says that it is another thing, is refused', async () => {
    await using azure = await startAzureSimulator();
    const { key, token } = await prepared(azure);
    const url = `${key.kid()}/wrapkey?api-version=7.4`;
    const send = (type: string, body: string) =>
      rawCall(azure, url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
        body,
      });
    expect((await send('application/json', '[1]')).status).toBe(400);
    expect((await send('application/json', '{')).status).toBe(400);
    expect((await send('application/json', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'))).status).toBe(400);
    expect((await send('text/plain', JSON.stringify({ alg: 'RSA-OAEP-256', value }))).status).toBe(415);
    expect((await send('application/json; charset=utf-8', JSON.stringify({ alg: 'RSA-OAEP-256', value }))).status).toBe(
      200,
    );
  });
});

describe('an answer of a vault', () => {
  it('has the id that its log has, and the caller’s own id', async () => {
    await using azure = await startAzureSimulator();
    const { call, key } = await prepared(azure);
    const { headers } = await call(`keys/${key.name}`, { headers: { 'x-ms-client-request-id': 'mine-1' } });
    expect(headers.get('x-ms-request-id')).toBe(azure.calls.at(-1)?.requestId);
    expect(headers.get('x-ms-client-request-id')).toBe('mine-1');
    expect(headers.get('x-ms-keyvault-region')).toBe('eastus');
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('describes a key with its public part alone', async () => {
    await using azure = await startAzureSimulator();
    const { call, key } = await prepared(azure);
    const { json } = await call(`keys/${key.name}`);
    expect(json['key']).toEqual({
      kid: key.kid(),
      kty: 'RSA',
      key_ops: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
      n: expect.stringMatching(/^[\w-]{342}$/),
      e: 'AQAB',
    });
    expect(json['attributes']).toMatchObject({ enabled: true, recoverableDays: 90, exportable: false });
  });
});

describe('the record of calls', () => {
  it('has who asked for what, and how it ended', async () => {
    await using azure = await startAzureSimulator();
    const { application, call, key } = await prepared(azure);
    await call(`keys/${key.name}/${key.version}/unwrapkey`, { body: { alg: 'RSA-OAEP-256', value } });
    expect(azure.calls.at(-1)).toEqual({
      service: 'vault',
      operation: 'unwrapKey',
      key: key.name,
      keyVersion: key.version,
      algorithm: 'RSA-OAEP-256',
      clientId: application.clientId,
      outcome: 'BadParameter',
      status: 400,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      at: expect.any(Number),
    });
    expect(azure.count('unwrapKey')).toBe(1);
    expect(azure.count('unwrapKey', { key: key.name, keyVersion: key.version, service: 'vault' })).toBe(1);
    expect(azure.count('unwrapKey', { outcome: 'ok' })).toBe(0);
    expect(azure.count('wrapKey')).toBe(0);
  });

  it('has no secret, no token and no value of any kind', async () => {
    await using azure = await startAzureSimulator();
    const { application, call, key, token } = await prepared(azure);
    const wrapped = await call(`keys/${key.name}/${key.version}/wrapkey`, { body: { alg: 'RSA-OAEP-256', value } });
    await askForToken(azure, application, { client_secret: 'wrong-secret' });
    const record = JSON.stringify(azure.calls);
    const secrets = [application.secret, 'wrong-secret', token, value, String(wrapped.json['value'])];
    for (const secret of secrets) expect(record).not.toContain(secret);
  });
});

describe('what the simulator does not know', () => {
  it.each([
    ['POST', 'keys/a/sign', undefined],
    ['POST', 'keys/a/backup', undefined],
    ['PATCH', 'keys/a/00000000000000000000000000000000', undefined],
    ['PUT', 'keys/a', undefined],
    ['POST', 'keys/known/wrapkey', { alg: 'A256GCM', value }],
  ])('%s /%s fails the test that asked for it, when the simulator is disposed of', async (method, path, body) => {
    const azure = await startAzureSimulator();
    const { call } = await prepared(azure);
    azure.createKey({ name: 'known' });
    await expect(call(path, { method, ...(body && { body }) })).rejects.toThrow();
    await expect(azure[Symbol.asyncDispose]()).rejects.toThrow('the Azure simulator failed while it answered');
  });
});
