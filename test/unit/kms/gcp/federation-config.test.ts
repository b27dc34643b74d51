import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KmsError } from '../../../../src/kms/fault.ts';
import { federationConfig } from '../../../../src/kms/gcp/federation-config.ts';

const good = {
  type: 'external_account',
  audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  token_url: 'https://sts.googleapis.com/v1/token',
  credential_source: { file: '/var/run/token' },
};
const account =
  'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken';
const options = { authorities: {}, setting: 'federation_file' };

describe('a credential configuration of an external account', () => {
  it('is read as it stands', () => {
    expect(federationConfig(good, options)).toEqual({
      audience: good.audience,
      subjectTokenType: good.subject_token_type,
      tokenUrl: good.token_url,
    });
  });

  it.each([
    [undefined, 900],
    [60, 900],
    [1_800, 1_800],
    [43_200, 3_600],
  ])('asks for tokens of %s s as for %i s', (seconds, expected) => {
    const json = {
      ...good,
      service_account_impersonation_url: account,
      ...(seconds !== undefined && { service_account_impersonation: { token_lifetime_seconds: seconds } }),
    };
    expect(federationConfig(json, options).impersonation).toEqual({
      origin: 'https://iamcredentials.googleapis.com',
      email: 'a@p.iam.gserviceaccount.com',
      lifetimeSeconds: expected,
    });
  });

  it('may name what the daemon’s file names', () => {
    const authorities = { gcpSts: 'http://127.0.0.1:4000' };
    const json = { ...good, token_url: 'http://127.0.0.1:4000/v1/token' };
    expect(federationConfig(json, { ...options, authorities }).tokenUrl).toBe(json.token_url);
    expect(() => federationConfig(json, options)).toThrow(KmsError);
    const elsewhere = { ...json, token_url: 'http://127.0.0.1:4001/v1/token' };
    expect(() => federationConfig(elsewhere, { ...options, authorities })).toThrow(KmsError);
  });

  it('leads to no host but Google’s, whatever its URL', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.webAuthority(),
      fc.constantFrom('googleapis.com.evil.example', 'evil-googleapis.com'),
    );
    fc.assert(
      fc.property(fc.constantFrom('https', 'http', 'ftp'), host, fc.webPath(), (scheme, authority, path) => {
        const json = { ...good, token_url: `${scheme}://${authority}${path}` };
        expect(() => federationConfig(json, options)).toThrow(KmsError);
      }),
    );
  });

  it.each([
    'https://user@evil.example/sts.googleapis.com',
    'https://sts.googleapis.com@evil.example/v1/token',
    'https://sts.googleapis.com:444/v1/token',
    'https://googleapis.com/v1/token#x',
    'https://storage.googleapis.com/upload/storage/v1/b/collector/o?uploadType=media&name=token',
    'https://pubsub.googleapis.com/v1/projects/p/topics/t:publish',
    'https://iamcredentials.googleapis.com/v1/token',
    'https://sts.evil.run.googleapis.com/v1/token',
    'https://user:password@sts.googleapis.com/v1/token',
    'file:///etc/passwd',
    '',
    7,
  ])('does not go to %j', (token_url) => {
    expect(() => federationConfig({ ...good, token_url }, options)).toThrow(KmsError);
  });

  it.each([
    'https://sts.googleapis.com/v1/token',
    'https://sts.mtls.googleapis.com/v1/token',
    'https://us-east1.sts.googleapis.com/v1/token',
    'https://sts.us-east1.rep.googleapis.com/v1/token',
    'https://us-east1-sts.googleapis.com/v1/token',
    'https://sts-acme.p.googleapis.com/v1/token',
  ])('goes to %s', (token_url) => {
    expect(federationConfig({ ...good, token_url }, options).tokenUrl).toBe(token_url);
  });

  it.each([
    ['another service of Google’s', account.replace('iamcredentials', 'storage')],
    ['a name that is none', 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%zz'],
  ])('does not act as a service account by %s', (_, service_account_impersonation_url) => {
    const read = () => federationConfig({ ...good, service_account_impersonation_url }, options);
    expect(read).toThrow(KmsError);
  });

  it('throws nothing but a fault of the configuration, whatever the file holds', () => {
    const file = fc.dictionary(
      fc.constantFrom(...Object.keys(good), 'service_account_impersonation_url'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(file, (changes) => {
        try {
          federationConfig({ ...good, ...changes }, options);
        } catch (error) {
          expect(error).toBeInstanceOf(KmsError);
          expect((error as KmsError).fault).toEqual({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' });
        }
      }),
    );
  });
});
