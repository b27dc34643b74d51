/** Microsoft's own libraries against the simulator: what they send is understood, and what they read is there. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { cryptographyClient, secretCredential } from '../../simulators/azure/clients.ts';
import { startAzureSimulator } from '../../simulators/azure/server.ts';

describe('@azure/keyvault-keys with @azure/identity', () => {
  it.each([
    ['RSA-OAEP-256', { kty: 'RSA' }],
    ['RSA-OAEP-256', { kty: 'RSA-HSM', size: 3072 }],
    ['A256KW', { kty: 'oct-HSM' }],
  ] as const)('wraps and unwraps with %s', async (algorithm, spec) => {
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
});
