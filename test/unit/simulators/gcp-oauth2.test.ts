/** The token service for service accounts' own signatures, by hand and through Google's own library. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { JWT } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { signJwt } from '../../simulators/gcp/jwt.ts';
import { type GcpSimulator, startGcpSimulator } from '../../simulators/gcp/server.ts';
import { platformScope, post, works } from '../../simulators/gcp/token-clients.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const scope = platformScope;
const bearerGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

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
