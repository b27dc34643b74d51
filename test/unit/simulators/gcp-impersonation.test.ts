/** Tokens of other accounts, and of the machine's own: impersonation and the metadata server. */
import { Compute, Impersonated } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { type GcpSimulator, startGcpSimulator } from '../../simulators/gcp/server.ts';
import { platformScope, post, works } from '../../simulators/gcp/token-clients.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const scope = platformScope;

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
