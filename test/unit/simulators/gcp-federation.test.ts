/** Workload identity federation, by hand and through Google's own library. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GoogleAuth } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { type GcpSimulator, startGcpSimulator } from '../../simulators/gcp/server.ts';
import { platformScope, post, works } from '../../simulators/gcp/token-clients.ts';

const scope = platformScope;

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

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'gcp-simulator-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
