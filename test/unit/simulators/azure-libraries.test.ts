/** Microsoft's own libraries against the simulator: what they send is understood, and what they read is there. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClientAssertionCredential, ManagedIdentityCredential, WorkloadIdentityCredential } from '@azure/identity';
import { afterAll, describe, expect, it } from 'vitest';
import { cryptographyClient, keyClient, libraryOptions, secretCredential } from '../../simulators/azure/clients.ts';
import { startAzureSimulator } from '../../simulators/azure/server.ts';

const vaultScope = 'https://vault.azure.net/.default';
const federated = {
  issuer: 'https://oidc.cluster.example/acme',
  subject: 'system:serviceaccount:acme:app',
  audience: 'api://AzureADTokenExchange',
};

/** What a rejected call of a library says. */
async function failure(
  call: Promise<unknown>,
): Promise<{ code?: string; statusCode?: number; message: string; details?: unknown }> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (error: Error) => error,
  );
}

describe('@azure/keyvault-keys', () => {
  it.each([
    ['RSA-OAEP-256', { kty: 'RSA' }],
    ['RSA-OAEP-256', { kty: 'RSA-HSM' }],
    ['A256KW', { kty: 'oct-HSM' }],
  ] as const)('wraps and unwraps with %s under a key of $kty', async (algorithm, spec) => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    const key = azure.createKey(spec);
    azure.grant(application.objectId, key.name, ['wrapKey', 'unwrapKey']);
    const client = cryptographyClient(azure, key.kid(), secretCredential(azure, application));
    const plaintext = randomBytes(32);
    const { result, keyID } = await client.wrapKey(algorithm, plaintext);
    expect(keyID).toBe(key.kid());
    expect(Buffer.from((await client.unwrapKey(algorithm, result)).result)).toEqual(plaintext);
    expect(azure.count('challenge')).toBe(1);
    expect(azure.count('wrapKey', { key: key.name, outcome: 'ok', clientId: application.clientId })).toBe(1);
    expect(azure.count('token', { service: 'entra', outcome: 'ok' })).toBe(1);
  });

  it('reads a key, its versions in pages, and what has been deleted', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    azure.grant(application.objectId, '*', ['get', 'list']);
    const client = keyClient(azure, azure.vaultUrl, secretCredential(azure, application));
    const key = azure.createKey({ kty: 'EC' });
    for (let more = 0; more < 27; more++) key.rotate();
    const [read, versions] = [await client.getKey(key.name), []] as [unknown, unknown[]];
    for await (const { version } of client.listPropertiesOfKeyVersions(key.name)) versions.push(version);
    expect(read).toMatchObject({ id: key.kid(), keyType: 'EC', keyOperations: ['sign', 'verify'] });
    expect([versions.length, versions.at(-1)]).toEqual([28, key.version]);
    expect(azure.count('getKeyVersions')).toBe(2);
    key.delete();
    const deleted: string[] = [];
    for await (const { name } of client.listDeletedKeys()) deleted.push(name);
    expect(deleted).toEqual([key.name]);
  });

  it('finds the inner code of a refusal where it looks for it', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    const key = azure.createKey();
    azure.grant(application.objectId, '*', ['unwrapKey']);
    key.setEnabled(false);
    const client = cryptographyClient(azure, key.kid(), secretCredential(azure, application));
    const error = await failure(client.unwrapKey('RSA-OAEP-256', randomBytes(256)));
    expect(error).toMatchObject({
      code: 'Forbidden',
      statusCode: 403,
      details: { error: { innerError: { code: 'KeyDisabled' } } },
    });
  });

  it('does not trust a challenge whose resource is not the address it called, unless told to', async () => {
    await using azure = await startAzureSimulator();
    const key = azure.createKey();
    const credential = secretCredential(azure, azure.createApplication());
    const client = cryptographyClient(azure, key.kid(), credential, { disableChallengeResourceVerification: false });
    expect((await failure(client.unwrapKey('RSA-OAEP-256', randomBytes(256)))).message).toContain('does not match');
  });

  it('does not trust a certificate of nobody it knows', async () => {
    await using azure = await startAzureSimulator();
    const key = azure.createKey();
    const credential = secretCredential(azure, azure.createApplication());
    const client = cryptographyClient(azure, key.kid(), credential, { tlsOptions: {} });
    const error = await failure(client.unwrapKey('RSA-OAEP-256', randomBytes(256)));
    expect(error.code).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});

describe('@azure/identity', () => {
  afterAll(() => {
    delete process.env['AZURE_POD_IDENTITY_AUTHORITY_HOST'];
  });

  it('tells the AADSTS code of a refused login', async () => {
    await using azure = await startAzureSimulator();
    const application = azure.createApplication();
    application.expireSecret();
    const error = await failure(secretCredential(azure, application).getToken(vaultScope));
    expect(error.message).toContain('invalid_client');
    expect(error.message).toContain('AADSTS7000222');
  });

  it('exchanges the token in a pod’s file', async () => {
    await using azure = await startAzureSimulator();
    await using folder = await temporaryFolder();
    const { clientId, tenant: tenantId, ...application } = azure.createApplication();
    azure.federate({ clientId }, federated);
    const tokenFilePath = join(folder.path, 'token');
    await writeFile(tokenFilePath, await azure.mintServiceAccountToken(federated));
    const credential = new WorkloadIdentityCredential({ clientId, tenantId, tokenFilePath, ...libraryOptions(azure) });
    const { token } = await credential.getToken(vaultScope);
    azure.grant(application.objectId, '*', ['list']);
    const keys = keyClient(azure, azure.vaultUrl, {
      getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 60_000 }),
    });
    for await (const { name } of keys.listPropertiesOfKeys()) expect(name).toBe('there is no key');
    expect(azure.count('getKeys', { clientId, outcome: 'ok' })).toBe(1);
  });

  it('exchanges an assertion that it is handed, and tells why that is refused', async () => {
    await using azure = await startAzureSimulator();
    const { clientId, tenant } = azure.createApplication();
    azure.federate({ clientId }, federated);
    const log = (subject: string) =>
      new ClientAssertionCredential(
        tenant,
        clientId,
        () => azure.mintServiceAccountToken({ ...federated, subject }),
        libraryOptions(azure),
      ).getToken(vaultScope);
    expect((await log(federated.subject)).token).toMatch(/^ey/);
    expect((await failure(log('someone'))).message).toContain('AADSTS700213');
  });

  it('gets tokens of the machine’s own identity and of one that it shares, and is told of one that is not there', async () => {
    await using azure = await startAzureSimulator();
    // The library settles where the service is once for the whole process, so all of it is one test.
    process.env['AZURE_POD_IDENTITY_AUTHORITY_HOST'] = azure.imdsEndpoint;
    const log = (clientId?: string) =>
      new ManagedIdentityCredential({
        ...(clientId !== undefined && { clientId }),
        retryOptions: { maxRetries: 0 },
      }).getToken(vaultScope);
    const shared = 'aaaaaaaa-0000-4000-8000-000000000001';
    expect((await failure(log())).message).toContain('Identity not found');
    const own = azure.managedIdentity();
    azure.managedIdentity({ clientId: shared });
    const { expiresOnTimestamp } = await log();
    expect(Math.abs(expiresOnTimestamp - Date.now() - 3_600_000)).toBeLessThan(10_000);
    await log(shared);
    const seen = azure.calls
      .filter(({ outcome }) => outcome === 'ok')
      .map(({ service, clientId }) => [service, clientId]);
    expect(seen).toEqual([
      ['imds', own.clientId],
      ['imds', shared],
    ]);
  });
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'azure-simulator-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
