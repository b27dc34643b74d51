/** The token services, by hand and through Google's own library: who gets a token, and what the others hear. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Compute, GoogleAuth, Impersonated, JWT } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { rawClient } from '../../simulators/gcp/clients.ts';
import { signJwt } from '../../simulators/gcp/jwt.ts';
import { type GcpSimulator, startGcpSimulator } from '../../simulators/gcp/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const scope = 'https://www.googleapis.com/auth/cloud-platform';
const encrypter = 'roles/cloudkms.cryptoKeyEncrypter';
const bearerGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(url: string, body: object | URLSearchParams, token?: string): Promise<Answer> {
  const form = body instanceof URLSearchParams;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: form ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

/** Whether a token opens the door to a key that `member` may encrypt with. */
async function works(gcp: GcpSimulator, token: unknown, member: string): Promise<string> {
  const key = gcp.createKey();
  gcp.grant(member, key.name, encrypter);
  using client = rawClient(gcp, String(token));
  await client.call('Encrypt', { name: key.name, plaintext: Buffer.from('x') });
  return gcp.calls.at(-1)?.principal ?? '';
}

describe('OAuth', () => {
  const claims = (gcp: GcpSimulator, email: string, now = Date.now()) => ({
    iss: email,
    scope,
    aud: `${gcp.authorities.gcpOauth2}/token`,
    iat: Math.floor(now / 1000),
    exp: Math.floor(now / 1000) + 3600,
  });
  const ask = (gcp: GcpSimulator, assertion: string, grant_type = bearerGrant) =>
    post(`${gcp.authorities.gcpOauth2}/token`, new URLSearchParams({ grant_type, assertion }));

  it('gives a token that lasts an hour for a signature of the account', async () => {
    await using gcp = await startGcpSimulator();
    const account = gcp.createServiceAccount();
    const answer = await ask(gcp, signJwt(claims(gcp, account.email), keyOf(account.keyFile())));
    expect([answer.status, answer.body['token_type'], answer.body['expires_in']]).toEqual([200, 'Bearer', 3599]);
    expect(await works(gcp, answer.body['access_token'], account.email)).toBe(account.email);
    expect(gcp.count('token', { service: 'oauth2', principal: account.email, outcome: 'ok' })).toBe(1);
  });

  it("serves Google's own library with a key file", async () => {
    await using gcp = await startGcpSimulator();
    const account = gcp.createServiceAccount();
    const file = account.keyFile();
    const client = new JWT({ email: file['client_email'] ?? '', key: file['private_key'] ?? '', scopes: [scope] });
    redirect(client, 'https://oauth2.googleapis.com', gcp.authorities.gcpOauth2);
    const { token } = await client.getAccessToken();
    expect(await works(gcp, token, account.email)).toBe(account.email);
  });

  it.each<[string, object, string, string]>([
    ['another audience', { aud: 'https://example.com/token' }, 'invalid_grant', 'audience'],
    ['a life of more than an hour', { exp: Math.floor(Date.now() / 1000) + 7200 }, 'invalid_grant', '60 minutes'],
    ['no end', { exp: undefined }, 'invalid_grant', '60 minutes'],
    ['a time that is over', { iat: 1_000_000, exp: 1_003_600 }, 'invalid_grant', 'iat and exp'],
    ['no scope', { scope: '' }, 'invalid_scope', 'scope'],
    ['an account that there is none of', { iss: 'none@example.iam.gserviceaccount.com' }, 'invalid_grant', 'not found'],
    ['a person to act as', { sub: 'person@example.com' }, 'unauthorized_client', 'unauthorized'],
  ])('refuses an assertion with %s', async (_, changed, error, text) => {
    await using gcp = await startGcpSimulator();
    const account = gcp.createServiceAccount();
    const assertion = signJwt({ ...claims(gcp, account.email), ...changed }, keyOf(account.keyFile()));
    const { status, body } = await ask(gcp, assertion);
    expect([status >= 400, body['error']]).toEqual([true, error]);
    expect(body['error_description']).toContain(text);
    expect(body).not.toHaveProperty('access_token');
  });

  it('refuses a strange signature, a deleted key, another algorithm and another grant', async () => {
    await using gcp = await startGcpSimulator();
    const account = gcp.createServiceAccount();
    const own = keyOf(account.keyFile());
    const strange = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const refused = async (assertion: string, grant?: string) => (await ask(gcp, assertion, grant)).body;
    const said = claims(gcp, account.email);
    expect(await refused(signJwt(said, strange))).toMatchObject({ error_description: 'Invalid JWT Signature.' });
    expect(await refused(signJwt(said, own, { alg: 'none' }))).toMatchObject({ error: 'invalid_grant' });
    expect(await refused('not.a.token')).toMatchObject({ error: 'invalid_grant' });
    expect(await refused(signJwt(said, own), 'password')).toMatchObject({ error: 'unsupported_grant_type' });
    account.deleteKeys();
    expect(await refused(signJwt(said, own))).toMatchObject({ error: 'invalid_grant' });
    expect(gcp.count('token', { outcome: 'ok' })).toBe(0);
  });

  it('judges times by its own clock', async () => {
    const clock = new FakeClock();
    await using gcp = await startGcpSimulator({ clock });
    const account = gcp.createServiceAccount();
    const assertion = signJwt(claims(gcp, account.email, clock.now()), keyOf(account.keyFile()));
    expect((await ask(gcp, assertion)).status).toBe(200);
    clock.advance(3600_000 + 300_000);
    expect((await ask(gcp, assertion)).status).toBe(400);
  });
});

describe('the security token service', () => {
  const exchange = (gcp: GcpSimulator, audience: string, subject_token: string, changed: Record<string, string> = {}) =>
    post(
      `${gcp.authorities.gcpSts}/v1/token`,
      new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        scope,
        audience,
        subject_token,
        ...changed,
      }),
    );

  it('gives the foreign subject a token of its own, which policies name by subject or by pool', async () => {
    await using gcp = await startGcpSimulator();
    const pool = gcp.federation();
    const { status, body } = await exchange(gcp, pool.audience, pool.subjectToken({ subject: 'pod' }));
    expect([status, body['expires_in'], body['token_type']]).toEqual([200, 3600, 'Bearer']);
    expect(await works(gcp, body['access_token'], pool.principal('pod'))).toBe(pool.principal('pod'));
    expect(await works(gcp, body['access_token'], pool.everyone)).toBe(pool.principal('pod'));
    await expect(works(gcp, body['access_token'], pool.principal('other'))).rejects.toMatchObject({ code: 7 });
  });

  it.each<[string, object, string]>([
    ['of another issuer', { issuer: 'https://elsewhere.example.com' }, 'invalid_grant'],
    ['for another audience', { audience: 'https://example.com' }, 'invalid_grant'],
    ['that is over', { issuedAt: Date.now() - 7_200_000, expiresAt: Date.now() - 1_000 }, 'invalid_grant'],
    ['that lives for two days', { expiresAt: Date.now() + 172_800_000 }, 'invalid_grant'],
    ['without a subject', { subject: '' }, 'invalid_grant'],
  ])('refuses a subject token %s', async (_, given, error) => {
    await using gcp = await startGcpSimulator();
    const pool = gcp.federation();
    const { status, body } = await exchange(gcp, pool.audience, pool.subjectToken(given));
    expect([status, body['error']]).toEqual([400, error]);
  });

  it('refuses the token of another provider, unknown and disabled providers, subjects outside the condition', async () => {
    await using gcp = await startGcpSimulator();
    const pool = gcp.federation();
    const other = gcp.federation({ provider: 'other' });
    const error = async (audience: string, token: string, changed?: Record<string, string>) =>
      (await exchange(gcp, audience, token, changed)).body['error'];
    const audience = pool.audience;
    expect(await error(audience, other.subjectToken({ audience: `https:${audience}` }))).toBe('invalid_grant');
    expect(await error(`${audience}-none`, pool.subjectToken())).toBe('invalid_target');
    expect(await error(audience, 'garbled')).toBe('invalid_request');
    expect(await error(audience, pool.subjectToken(), { scope: '' })).toBe('invalid_request');
    expect(await error(audience, pool.subjectToken(), { grant_type: 'password' })).toBe('invalid_request');
    pool.allowOnly(['one']);
    expect(await error(audience, pool.subjectToken({ subject: 'two' }))).toBe('unauthorized_client');
    expect(await error(audience, pool.subjectToken({ subject: 'one' }))).toBeUndefined();
    pool.setDisabled(true);
    expect(await error(audience, pool.subjectToken({ subject: 'one' }))).toBe('invalid_target');
  });

  it.each([[false], [true]])(
    "serves Google's own library with a credential file, impersonation: %s",
    async (through) => {
      await using gcp = await startGcpSimulator();
      await using folder = await temporaryFolder();
      const pool = gcp.federation();
      const account = gcp.createServiceAccount();
      const tokenFile = join(folder.path, 'token');
      await writeFile(tokenFile, pool.subjectToken({ subject: 'pod' }));
      gcp.allowImpersonation(pool.principal('pod'), account.email);
      const config = pool.credentialConfig({ tokenFile, ...(through ? { impersonate: account.email } : {}) });
      const client = new GoogleAuth({ scopes: scope }).fromJSON(config as { type: string });
      const { token } = await client.getAccessToken();
      const expected = through ? account.email : pool.principal('pod');
      expect(await works(gcp, token, expected)).toBe(expected);
    },
  );
});

describe('impersonation', () => {
  const url = (gcp: GcpSimulator, email: string) =>
    `${gcp.authorities.gcpIam}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`;

  it("serves Google's own library, for whom the account lets in", async () => {
    await using gcp = await startGcpSimulator();
    const [own, target] = [gcp.createServiceAccount(), gcp.createServiceAccount()];
    gcp.allowImpersonation(own.email, target.email);
    const source = new Compute();
    source.setCredentials({ access_token: own.accessToken(), expiry_date: Date.now() + 3_600_000 });
    const client = new Impersonated({
      sourceClient: source,
      targetPrincipal: target.email,
      targetScopes: [scope],
      endpoint: gcp.authorities.gcpIam,
    });
    const { token } = await client.getAccessToken();
    expect(await works(gcp, token, target.email)).toBe(target.email);
    expect(gcp.count('generateAccessToken', { principal: own.email, outcome: 'ok' })).toBe(1);
  });

  it('is denied to everyone else, in the form of a Google API', async () => {
    await using gcp = await startGcpSimulator();
    const [own, target] = [gcp.createServiceAccount(), gcp.createServiceAccount()];
    gcp.allowImpersonation(target.email, own.email);
    const { status, body } = await post(url(gcp, target.email), { scope: [scope] }, own.accessToken());
    expect(status).toBe(403);
    expect(body['error']).toMatchObject({
      code: 403,
      status: 'PERMISSION_DENIED',
      details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'IAM_PERMISSION_DENIED' }],
    });
    gcp.allowImpersonation(own.email, target.email);
    expect((await post(url(gcp, target.email), { scope: [scope] }, own.accessToken())).status).toBe(200);
    gcp.denyImpersonation(own.email, target.email);
    expect((await post(url(gcp, target.email), { scope: [scope] }, own.accessToken())).status).toBe(403);
  });

  it('gives as much time as is asked for, up to an hour, and tells the end', async () => {
    const clock = new FakeClock();
    await using gcp = await startGcpSimulator({ clock });
    const [own, target] = [gcp.createServiceAccount(), gcp.createServiceAccount()];
    gcp.allowImpersonation(own.email, target.email);
    const ask = (body: object) => post(url(gcp, target.email), { scope: [scope], ...body }, own.accessToken());
    const expireTime = new Date(clock.now() + 600_000).toISOString().replace('.000Z', 'Z');
    expect((await ask({ lifetime: '600s' })).body['expireTime']).toBe(expireTime);
    for (const wrong of [{ lifetime: '3601s' }, { lifetime: '0s' }, { lifetime: 'long' }, { scope: [] }]) {
      expect((await ask(wrong)).body['error']).toMatchObject({ status: 'INVALID_ARGUMENT' });
    }
  });

  it('goes along a chain of delegates only where each lets in the one before', async () => {
    await using gcp = await startGcpSimulator();
    const [own, middle, target] = [gcp.createServiceAccount(), gcp.createServiceAccount(), gcp.createServiceAccount()];
    gcp.allowImpersonation(own.email, middle.email);
    const delegates = [`projects/-/serviceAccounts/${middle.email}`];
    const ask = () => post(url(gcp, target.email), { scope: [scope], delegates }, own.accessToken());
    expect((await ask()).status).toBe(403);
    gcp.allowImpersonation(middle.email, target.email);
    expect((await ask()).status).toBe(200);
  });

  it('needs a token, one that is not over, and an account that exists', async () => {
    await using gcp = await startGcpSimulator();
    const own = gcp.createServiceAccount();
    const none = 'none@example.iam.gserviceaccount.com';
    expect((await post(url(gcp, own.email), { scope: [scope] })).status).toBe(401);
    const token = own.accessToken();
    expect((await post(url(gcp, none), { scope: [scope] }, token)).status).toBe(404);
    gcp.expireTokens();
    const late = await post(url(gcp, own.email), { scope: [scope] }, token);
    expect(late.body['error']).toMatchObject({ status: 'UNAUTHENTICATED' });
  });
});

describe('the metadata server', () => {
  const read = (gcp: GcpSimulator, path: string, headers: Record<string, string> = { 'metadata-flavor': 'Google' }) =>
    fetch(`http://${gcp.metadataHost}/computeMetadata/v1/${path}`, { headers });
  const tokenPath = 'instance/service-accounts/default/token';

  it('gives the token of the attached account again until it is about to end', async () => {
    const clock = new FakeClock();
    await using gcp = await startGcpSimulator({ clock });
    const account = gcp.createServiceAccount();
    gcp.attach(account);
    const ask = async () => (await (await read(gcp, tokenPath)).json()) as { access_token: string; expires_in: number };
    const first = await ask();
    expect(first.expires_in).toBe(3600);
    clock.advance(3_000_000);
    expect(await ask()).toEqual({ ...first, expires_in: 600 });
    clock.advance(300_000);
    const next = await ask();
    expect(next.access_token).not.toBe(first.access_token);
    expect(await works(gcp, next.access_token, account.email)).toBe(account.email);
  });

  it('demands its header, answers it, and knows nothing but what there is', async () => {
    await using gcp = await startGcpSimulator();
    expect((await read(gcp, tokenPath, {})).status).toBe(403);
    expect((await read(gcp, tokenPath)).status).toBe(404);
    const answer = await read(gcp, 'instance');
    expect([answer.status, answer.headers.get('metadata-flavor')]).toEqual([200, 'Google']);
    const account = gcp.createServiceAccount();
    gcp.attach(account);
    expect(await (await read(gcp, 'instance/service-accounts/default/email')).text()).toBe(account.email);
    expect(await (await read(gcp, 'universe/universe-domain')).text()).toBe('googleapis.com');
    account.remove();
    expect((await read(gcp, tokenPath)).status).toBe(404);
  });
});

describe('a fault of a token service', () => {
  it('has the form of its service', async () => {
    await using gcp = await startGcpSimulator();
    const error = { kind: 'error', code: 'UNAVAILABLE', status: 503, message: 'later' } as const;
    gcp.faults.add({ service: 'iam', times: 1, fault: error });
    gcp.faults.add({ service: 'sts', times: 1, fault: { ...error, code: 'server_error' } });
    const iam = `${gcp.authorities.gcpIam}/v1/projects/-/serviceAccounts/x:generateAccessToken`;
    const first = await post(iam, {});
    expect([first.status, first.body['error']]).toEqual([503, { code: 503, message: 'later', status: 'UNAVAILABLE' }]);
    const second = await post(`${gcp.authorities.gcpSts}/v1/token`, {});
    expect([second.status, second.body]).toEqual([503, { error: 'server_error', error_description: 'later' }]);
  });

  it('throttles with or without a time to wait, and may be a page or a broken connection', async () => {
    await using gcp = await startGcpSimulator();
    const url = `${gcp.authorities.gcpOauth2}/token`;
    const rule = gcp.faults.add({ service: 'oauth2', fault: { kind: 'throttle', retryAfterSeconds: 7 } });
    const throttled = await post(url, {});
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '7']);
    rule.remove();
    const page = gcp.faults.add({ service: 'oauth2', fault: { kind: 'html', status: 502 } });
    expect((await fetch(url, { method: 'POST' })).headers.get('content-type')).toBe('text/html');
    page.remove();
    gcp.faults.add({ service: 'oauth2', fault: { kind: 'reset' } });
    await expect(fetch(url, { method: 'POST' })).rejects.toThrow(TypeError);
    expect(gcp.calls.map(({ outcome }) => outcome)).toEqual(['rate_limit_exceeded', 'fault:html', 'fault:reset']);
  });

  it('meets its own service alone: the others, and paths that none has, are answered as ever', async () => {
    await using gcp = await startGcpSimulator();
    gcp.faults.add({ service: 'sts', fault: { kind: 'hang' } });
    const { status } = await post(`${gcp.authorities.gcpOauth2}/token`, {});
    expect(status).toBe(400);
    expect((await post(`${gcp.authorities.gcpOauth2}/v1/token`, {})).status).toBe(404);
  });
});

/** The library has the address built in, so the request is turned round on its way out. */
function redirect(client: JWT, from: string, to: string): void {
  client.transporter.interceptors.request.add({
    resolved: async (request) => {
      request.url = new URL(String(request.url).replace(from, to));
      return request;
    },
  });
}

function keyOf(file: Record<string, string>) {
  return createPrivateKey(file['private_key'] ?? '');
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'gcp-simulator-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
