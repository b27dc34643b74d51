/** Who is let in to Cloud KMS: tokens, scopes, allow policies, projects without the API. */
import { describe, expect, it } from 'vitest';
import { rawClient } from '../../simulators/gcp/clients.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const plaintext = Buffer.from('x');
const [permissionDenied, unauthenticated] = [7, 16];

describe('a call', () => {
  it.each([
    [undefined, 'CREDENTIALS_MISSING'],
    ['ya29.invented', 'ACCESS_TOKEN_TYPE_UNSUPPORTED'],
  ])('with the token %s is not authenticated: %s', async (token, reason) => {
    await using prepared = await prepareKey();
    using stranger = rawClient(prepared.gcp, token);
    const refusal = await stranger.refusal('Encrypt', { name: prepared.key.name, plaintext });
    expect([refusal.code, refusal.reason]).toEqual([unauthenticated, reason]);
    expect(refusal.details.get('ErrorInfo')).toMatchObject({
      domain: 'googleapis.com',
      metadata: { service: 'cloudkms.googleapis.com', method: 'google.cloud.kms.v1.KeyManagementService.Encrypt' },
    });
    expect(prepared.gcp.calls[0]?.principal).toBeUndefined();
  });

  it('is let in until its token is an hour old, by the clock of the service', async () => {
    const clock = new FakeClock();
    await using prepared = await prepareKey({ clock });
    const { client, key } = prepared;
    clock.advance(3_599_000);
    await client.call('Encrypt', { name: key.name, plaintext });
    clock.advance(1_000);
    const refusal = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect([refusal.code, refusal.reason]).toEqual([unauthenticated, 'ACCESS_TOKEN_EXPIRED']);
  });

  it('is not authenticated after all tokens have been ended, and is with a new one', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp, account } = prepared;
    gcp.expireTokens();
    const request = { name: key.name, plaintext };
    expect((await client.refusal('Encrypt', request)).reason).toBe('ACCESS_TOKEN_EXPIRED');
    await client.call('Encrypt', request, { token: account.accessToken() });
  });

  it('of an account that has been deleted is not authenticated', async () => {
    await using prepared = await prepareKey();
    const { client, key, account } = prepared;
    account.remove();
    const refusal = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect([refusal.code, refusal.reason]).toEqual([unauthenticated, 'ACCOUNT_STATE_INVALID']);
  });

  it('needs a scope that covers Cloud KMS', async () => {
    await using prepared = await prepareKey();
    const { client, key, account } = prepared;
    const scoped = (scope: string) => ({ token: account.accessToken({ scopes: [scope] }) });
    const request = { name: key.name, plaintext };
    await client.call('Encrypt', request, scoped('https://www.googleapis.com/auth/cloudkms'));
    const refusal = await client.refusal('Encrypt', request, scoped('https://www.googleapis.com/auth/devstorage'));
    expect([refusal.code, refusal.reason]).toEqual([permissionDenied, 'ACCESS_TOKEN_SCOPE_INSUFFICIENT']);
  });

  it.each([['caller'], ['key']])('needs the API in the project of the %s', async (whose) => {
    await using prepared = await prepareKey({ project: 'customer' });
    const { client, key, gcp } = prepared;
    const project = whose === 'caller' ? gcp.project : 'customer';
    gcp.setServiceEnabled(false, project);
    const refusal = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect([refusal.code, refusal.reason]).toEqual([permissionDenied, 'SERVICE_DISABLED']);
    expect(refusal.details.get('ErrorInfo')).toMatchObject({ metadata: { consumer: `projects/${project}` } });
    gcp.setServiceEnabled(true, project);
    await client.call('Encrypt', { name: key.name, plaintext });
  });
});

describe('an allow policy', () => {
  const uses: readonly (readonly [method: string, permission: string])[] = [
    ['Encrypt', 'cloudkms.cryptoKeyVersions.useToEncrypt'],
    ['Decrypt', 'cloudkms.cryptoKeyVersions.useToDecrypt'],
    ['AsymmetricDecrypt', 'cloudkms.cryptoKeyVersions.useToDecrypt'],
    ['GetPublicKey', 'cloudkms.cryptoKeyVersions.viewPublicKey'],
    ['GetCryptoKey', 'cloudkms.cryptoKeys.get'],
    ['GetCryptoKeyVersion', 'cloudkms.cryptoKeyVersions.get'],
    ['ListCryptoKeyVersions', 'cloudkms.cryptoKeyVersions.list'],
  ];

  it.each(uses)('that says nothing denies %s and names the permission %s', async (method, permission) => {
    await using prepared = await prepareKey({ roles: [] });
    const { client, key } = prepared;
    const version = ['AsymmetricDecrypt', 'GetPublicKey', 'GetCryptoKeyVersion'].includes(method);
    const resource = version ? key.versionName() : key.name;
    const refusal = await client.refusal(method, { name: resource, parent: resource });
    expect([refusal.code, refusal.reason]).toEqual([permissionDenied, 'IAM_PERMISSION_DENIED']);
    expect(refusal.message).toBe(`Permission '${permission}' denied on resource '${resource}' (or it may not exist).`);
    expect(refusal.details.get('ErrorInfo')).toMatchObject({
      domain: 'iam.googleapis.com',
      metadata: { permission, resource },
    });
  });

  it.each([
    ['roles/cloudkms.cryptoKeyEncrypterDecrypter', ['Encrypt', 'Decrypt']],
    ['roles/cloudkms.cryptoKeyEncrypter', ['Encrypt']],
    ['roles/cloudkms.cryptoKeyDecrypter', ['Decrypt']],
    ['roles/cloudkms.viewer', ['GetCryptoKey', 'GetCryptoKeyVersion', 'ListCryptoKeyVersions']],
    ['roles/cloudkms.publicKeyViewer', ['GetPublicKey']],
    ['cloudkms.cryptoKeys.get', ['GetCryptoKey']],
  ])('with %s lets in %j and nothing else', async (role, expected) => {
    await using prepared = await prepareKey({ roles: [role] });
    const { client, key } = prepared;
    const methods = [
      'Encrypt',
      'Decrypt',
      'GetCryptoKey',
      'GetCryptoKeyVersion',
      'ListCryptoKeyVersions',
      'GetPublicKey',
    ];
    const letIn: string[] = [];
    for (const method of methods) {
      const name = ['GetCryptoKeyVersion', 'GetPublicKey'].includes(method) ? key.versionName() : key.name;
      const request = { name, parent: key.name, plaintext, ciphertext: plaintext };
      const denied = await client.call(method, request).then(
        () => false,
        (error: { code?: unknown }) => error.code === permissionDenied,
      );
      if (!denied) letIn.push(method);
    }
    expect(letIn).toEqual(expected);
  });

  it('is inherited from the key ring and from the project, and not from others', async () => {
    await using prepared = await prepareKey({ roles: [] });
    const { client, key, gcp, account } = prepared;
    const request = { name: key.name, plaintext };
    const ring = key.name.replace(/\/cryptoKeys\/.*/, '');
    const role = 'roles/cloudkms.cryptoKeyEncrypter';
    for (const level of [ring, `projects/${gcp.project}`, key.name]) {
      gcp.grant(account.email, level, role);
      await client.call('Encrypt', request);
      gcp.revoke(account.email, level, role);
      expect((await client.refusal('Encrypt', request)).code).toBe(permissionDenied);
    }
    gcp.grant(account.email, `${ring}-other`, role);
    gcp.grant(account.email, `${key.name}0`, role);
    gcp.grant('other@example.iam.gserviceaccount.com', key.name, role);
    expect((await client.refusal('Encrypt', request)).code).toBe(permissionDenied);
  });

  it('knows no role that nobody simulated', async () => {
    await using prepared = await prepareKey();
    const { gcp, key, account } = prepared;
    expect(() => gcp.grant(account.email, key.name, 'roles/owner')).toThrow(TypeError);
  });

  it('is asked about without any permission', async () => {
    await using prepared = await prepareKey({ roles: ['roles/cloudkms.cryptoKeyDecrypter'] });
    const { client, key } = prepared;
    const permissions = ['cloudkms.cryptoKeyVersions.useToEncrypt', 'cloudkms.cryptoKeyVersions.useToDecrypt'];
    const test = (resource: string) => client.call('TestIamPermissions', { resource, permissions });
    expect(await test(key.name)).toEqual({ permissions: ['cloudkms.cryptoKeyVersions.useToDecrypt'] });
    expect(await test(`${key.name}-none`)).toEqual({ permissions: [] });
    const wildcard = { resource: key.name, permissions: ['cloudkms.cryptoKeys.*'] };
    expect((await client.refusal('TestIamPermissions', wildcard)).code).toBe(3);
  });
});

describe('the record of calls', () => {
  it('has who, what and how it ended, and neither data nor tokens', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp, account } = prepared;
    const secret = Buffer.from('plaintext-that-is-secret');
    await client.call('Encrypt', { name: key.versionName(), plaintext: secret });
    await client.refusal('Decrypt', { name: key.name, ciphertext: secret });
    expect(gcp.calls).toEqual([
      expect.objectContaining({
        service: 'kms',
        operation: 'Encrypt',
        key: key.name,
        resource: key.versionName(),
        principal: account.email,
        outcome: 'ok',
      }),
      expect.objectContaining({ operation: 'Decrypt', outcome: 'INVALID_ARGUMENT' }),
    ]);
    expect(gcp.count('Encrypt', { key: key.name, outcome: 'ok' })).toBe(1);
    expect(gcp.count('Encrypt', { outcome: 'NOT_FOUND' })).toBe(0);
    const all = JSON.stringify(gcp.calls);
    expect(all).not.toContain('secret');
    expect(all).not.toContain('ya29');
  });
});
