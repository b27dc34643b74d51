/** Logging in: what Entra gives tokens for, and the code of each refusal. */
import { describe, expect, it } from 'vitest';
import { askForToken, rawCall } from '../../simulators/azure/clients.ts';
import { parseJwt } from '../../simulators/azure/jwt.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const credential = {
  issuer: 'https://oidc.cluster.example/acme',
  subject: 'system:serviceaccount:acme:app',
  audience: 'api://AzureADTokenExchange',
};

describe('a client secret', () => {
  it('gets a token of an hour that the published key has signed', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const application = azure.createApplication();
    const answer = await askForToken(azure, application);
    expect(answer.json).toMatchObject({ token_type: 'Bearer', expires_in: 3600, ext_expires_in: 3600 });
    const token = String(answer.json['access_token']);
    const seconds = clock.now() / 1000;
    expect(parseJwt(token)?.claims).toMatchObject({
      aud: 'https://vault.azure.net',
      iss: `https://sts.windows.net/${azure.tenant}/`,
      iat: seconds,
      exp: seconds + 3600,
      appid: application.clientId,
      oid: application.objectId,
      tid: azure.tenant,
    });
    const { json } = await rawCall(azure, `${azure.authorityHost}/${azure.tenant}/discovery/v2.0/keys`);
    const [key] = json['keys'] as [
      { readonly kty: string; readonly n: string; readonly e: string; readonly kid: string },
    ];
    const [head, claims, signature = ''] = token.split('.');
    const imported = await crypto.subtle.importKey('jwk', key, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, [
      'verify',
    ]);
    const signed = new TextEncoder().encode(`${head}.${claims}`);
    expect(await crypto.subtle.verify('RSASSA-PKCS1-v1_5', imported, Buffer.from(signature, 'base64url'), signed)).toBe(
      true,
    );
    expect(parseJwt(token)?.kid).toBe(key.kid);
  });

  it('is what it was set to, and no longer what it was', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication({ secret: 'first' });
    expect(application.secret).toBe('first');
    expect((await askForToken(azure, application)).status).toBe(200);
    const next = application.setSecret();
    expect((await askForToken(azure, { ...application, secret: 'first' })).code).toBe('7000215');
    expect((await askForToken(azure, { ...application, secret: next })).status).toBe(200);
  });

  it('works for the tenant by its domain as by its id', async () => {
    await using azure = await startAzureSimulator();
    const answer = await askForToken(azure, azure.createApplication(), { tenant: azure.tenantDomain });
    expect(parseJwt(String(answer.json['access_token']))?.claims['tid']).toBe(azure.tenant);
  });
});

type Change = (azure: AzureSimulator, application: ReturnType<AzureSimulator['createApplication']>) => void;
type Fields = Readonly<Record<string, string>>;

describe('a login that is refused', () => {
  it.each<[string, number, string, string, Fields, Change?]>([
    ['an unknown tenant', 400, '90002', 'invalid_request', { tenant: '00000000-0000-0000-0000-000000000000' }],
    ['an impossible tenant', 400, '900023', 'invalid_request', { tenant: 'a%20b' }],
    [
      'an unknown application',
      400,
      '700016',
      'unauthorized_client',
      { client_id: '00000000-0000-0000-0000-000000000000' },
    ],
    ['no application', 400, '900144', 'invalid_request', { client_id: '' }],
    ['a wrong secret', 401, '7000215', 'invalid_client', { client_secret: 'wrong' }],
    ['no secret', 401, '7000216', 'invalid_client', { client_secret: '' }],
    ['an expired secret', 401, '7000222', 'invalid_client', {}, (_, application) => application.expireSecret()],
    ['a disabled application', 400, '7000112', 'unauthorized_client', {}, (_, application) => application.disable()],
    ['a deleted application', 400, '700016', 'unauthorized_client', {}, (_, application) => application.remove()],
    ['Conditional Access', 400, '53003', 'interaction_required', {}, (_, app) => app.setConditionalAccess('blocked')],
    ['no grant type', 400, '900144', 'invalid_request', { grant_type: '' }],
    ['another grant type', 400, '70003', 'unsupported_grant_type', { grant_type: 'password' }],
    ['no scope', 400, '900144', 'invalid_request', { scope: '' }],
    [
      'a scope of one permission',
      400,
      '1002012',
      'invalid_scope',
      { scope: 'https://vault.azure.net/user_impersonation' },
    ],
    ['an unknown resource', 400, '500011', 'invalid_resource', { scope: 'https://example.com/.default' }],
    [
      'a wrong kind of assertion',
      400,
      '50027',
      'invalid_request',
      { client_assertion: 'x', client_assertion_type: 'saml' },
    ],
  ])('for %s has its own code', async (_, status, number, error, fields, change) => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    change?.(azure, application);
    const answer = await askForToken(azure, application, fields);
    expect([answer.status, answer.code, answer.json['error']]).toEqual([status, number, error]);
    expect(answer.text).not.toContain(application.secret);
    expect(azure.calls.at(-1)?.outcome).toBe(`AADSTS${number}`);
  });

  it('carries the ids that support asks for', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const { json, headers } = await askForToken(azure, azure.createApplication(), { client_secret: 'wrong' });
    const id = headers.get('x-ms-request-id') ?? '';
    expect(json).toMatchObject({ trace_id: id, timestamp: '2026-01-01 00:00:00Z', error_codes: [7000215] });
    expect(json['error_description']).toMatch(
      new RegExp(`^AADSTS7000215: .* Trace ID: ${id} Correlation ID: [0-9a-f-]{36} `),
    );
    expect(azure.calls.at(-1)?.requestId).toBe(id);
  });

  it('knows the application in its own tenant alone', async () => {
    await using azure = await startAzureSimulator();
    const tenant = '11111111-2222-3333-4444-555555555555';
    azure.createApplication({ tenant });
    expect((await askForToken(azure, azure.createApplication(), { tenant })).code).toBe('700016');
  });

  it('is what a body gets that is no form', async () => {
    await using azure = await startAzureSimulator();
    const url = `${azure.authorityHost}/${azure.tenant}/oauth2/v2.0/token`;
    const answer = await rawCall(azure, url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"client_credentials"}',
    });
    expect(answer.code).toBe('900144');
    expect((await rawCall(azure, url)).status).toBe(405);
    expect((await rawCall(azure, `${azure.authorityHost}/nothing`)).status).toBe(404);
  });
});

describe('a federated token', () => {
  /** Logs in with a token that differs from the registered one as `change` says. */
  async function login(azure: AzureSimulator, change: object = {}) {
    const application = azure.createApplication();
    azure.federate(application, credential);
    const assertion = await azure.mintServiceAccountToken({ ...credential, ...change });
    return askForToken(azure, application, {
      client_secret: '',
      client_assertion: assertion,
      client_assertion_type: jwtBearer,
    });
  }

  it('gets a token as a secret would', async () => {
    await using azure = await startAzureSimulator();
    const answer = await login(azure);
    expect(answer.status).toBe(200);
    expect(parseJwt(String(answer.json['access_token']))?.claims['aud']).toBe('https://vault.azure.net');
  });

  it.each<[string, object, string]>([
    ['another issuer', { issuer: 'https://elsewhere.example' }, '700211'],
    ['another issuer by its last letter', { issuer: `${credential.issuer}/` }, '700211'],
    ['another subject', { subject: 'system:serviceaccount:acme:other' }, '700213'],
    ['another audience', { audience: 'https://kubernetes.default.svc' }, '700212'],
    ['a key that the issuer does not publish', { signedBy: 'stranger' }, '700027'],
    ['a time that is over', { expiresInSeconds: -600 }, '700024'],
  ])('with %s is refused', async (_, change, number) => {
    await using azure = await startAzureSimulator();
    const answer = await login(azure, change);
    expect([answer.status, answer.code, answer.json['error']]).toEqual([401, number, 'invalid_client']);
  });

  it('may be up to five minutes too old, as clocks differ', async () => {
    await using azure = await startAzureSimulator();
    expect((await login(azure, { expiresInSeconds: -200 })).status).toBe(200);
  });

  it('has to match one credential as a whole', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    const ask = async () => {
      const client_assertion = await azure.mintServiceAccountToken(credential);
      return askForToken(azure, application, { client_secret: '', client_assertion, client_assertion_type: jwtBearer });
    };
    expect((await ask()).code).toBe('70025');
    azure.federate(application, { ...credential, subject: 'someone' });
    azure.federate(application, { ...credential, issuer: 'https://elsewhere.example' });
    const answer = await ask();
    expect([answer.status, answer.code, answer.json['error']]).toEqual([400, '70021', 'invalid_request']);
    azure.federate(application, credential);
    expect((await ask()).status).toBe(200);
  });

  it('that is no token is refused without an echo of it', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    const answer = await askForToken(azure, application, {
      client_assertion: 'not-a-token',
      client_assertion_type: jwtBearer,
    });
    expect([answer.status, answer.code]).toEqual([400, '50027']);
    expect(answer.text).not.toContain('not-a-token');
  });

  it('is a signed token of RS256 as a cluster makes them', async () => {
    await using azure = await startAzureSimulator();
    const token = await azure.mintServiceAccountToken(credential);
    const parsed = parseJwt(token);
    expect(parsed?.claims).toMatchObject({
      iss: credential.issuer,
      sub: credential.subject,
      aud: [credential.audience],
    });
    expect(parsed?.algorithm).toBe('RS256');
    const other = await azure.mintServiceAccountToken({ ...credential, issuer: 'https://elsewhere.example' });
    expect(parseJwt(other)?.kid).not.toBe(parsed?.kid);
  });
});

describe('discovery', () => {
  it('describes a tenant under the address that was asked', async () => {
    await using azure = await startAzureSimulator();
    const base = `${azure.authorityHost}/${azure.tenant}`;
    const { json, status } = await rawCall(azure, `${base}/v2.0/.well-known/openid-configuration`);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      issuer: `${base}/v2.0`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    });
    const unknown = await rawCall(
      azure,
      `${azure.authorityHost}/contoso.example/v2.0/.well-known/openid-configuration`,
    );
    expect([unknown.status, unknown.code]).toEqual([400, '90002']);
  });

  it('knows its own instance and no other', async () => {
    await using azure = await startAzureSimulator();
    const ask = (authority: string) =>
      rawCall(
        azure,
        `${azure.authorityHost}/common/discovery/instance?api-version=1.1&authorization_endpoint=${encodeURIComponent(`${authority}/${azure.tenant}/oauth2/v2.0/authorize`)}`,
      );
    const own = await ask(azure.authorityHost);
    expect(own.json['tenant_discovery_endpoint']).toBe(
      `${azure.authorityHost}/${azure.tenant}/v2.0/.well-known/openid-configuration`,
    );
    const other = await ask('https://login.example');
    expect([other.status, other.json['error']]).toEqual([400, 'invalid_instance']);
  });
});
