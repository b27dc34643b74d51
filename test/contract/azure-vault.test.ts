/** What passes between keyproxy and a vault beside wrapping, and what a look at a key finds. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAzureKey } from '../../src/kms/azure/open.ts';
import type { SimulatedKey } from '../simulators/azure/simulated-key.ts';
import { makeAuthority } from '../support/certificates.ts';
import { day, generated, minute, request } from './azure-calls.ts';
import { AzureWorld } from './azure-world.ts';
import { context, failureOf, never } from './calls.ts';

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start(minute);
});
afterAll(() => world[Symbol.asyncDispose]());

describe('what an Azure vault asks for', () => {
  const open = (
    owned: Pick<SimulatedKey, 'name'>,
    isTrusted: boolean,
    ca: string | undefined = world.azure.ca,
    vaultUrl: string = world.azure.vaultUrl,
  ) => {
    const config = { provider: 'azure_kv', vaultUrl, keyName: owned.name } as const;
    return openAzureKey(
      { ...config, ...world.secretIdentity() },
      {
        clock: world.clock,
        timeoutMs: 5_000,
        proofMs: 0,
        isTrusted,
        credentials: world.credentials,
        ...(ca && { ca }),
      },
    );
  };

  it('gets no token where it is for another host and the vault is not trusted to', async () => {
    await using service = open(world.create('EC_P256'), false);
    const logins = world.azure.count('token');
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' });
    expect(details).toMatchObject({ providerCode: 'ForeignChallenge', advice: expect.stringContaining('vault_url') });
    expect(world.azure.count('token')).toBe(logins);
  });

  it('gets no token for anything but keys, however much the vault is trusted', async () => {
    const authority = await makeAuthority();
    const { authorityHost, tenant } = world.azure;
    let tokens = 0;
    const server = createServer(await authority.issue(), (incoming, answer) => {
      if (incoming.headers.authorization !== undefined) tokens++;
      const resource = 'https://management.azure.com';
      const challenge = `Bearer authorization="${authorityHost}/${tenant}", resource="${resource}"`;
      answer.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const vaultUrl = `https://127.0.0.1:${port}`;
    const logins = world.azure.count('token');
    {
      await using service = open({ name: 'k' }, true, authority.ca, vaultUrl);
      const { fault, details } = await failureOf(service.generate(request));
      expect(fault).toEqual({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' });
      expect(details.providerCode).toBe('ForeignChallenge');
    }
    expect(tokens).toBe(0);
    expect(world.azure.count('token')).toBe(logins);
    server.closeAllConnections();
    server.close();
  });

  it('goes to no vault whose certificate is not trusted, which is an outage with a next step', async () => {
    await using service = open(world.create('EC_P256'), true, '');
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    expect(details.advice).toContain('certificate');
  });

  it('names code and request of its own log, and nothing of its text', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    key.owned.setEnabled(false);
    const { details, message } = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    key.owned.setEnabled(true);
    const answer = world.azure.calls.findLast((call) => call.outcome === 'KeyDisabled' && call.key === key.owned.name);
    expect(details).toMatchObject({
      providerCode: 'KeyDisabled',
      requestId: answer?.requestId,
      operation: 'unwrapKey',
    });
    expect(message).not.toContain('not allowed');
  });
});

describe('a look at a key of Azure', () => {
  const inspected = async (owned: SimulatedKey) => {
    await using service = world.open(owned);
    const findings = (await service.inspect?.({ context, signal: never })) ?? [];
    return findings.map(
      ({ verdict, step, advice }) => `${verdict}: ${step}${advice === undefined ? '' : ` (${advice})`}`,
    );
  };

  it('finds nothing to say about a key of an HSM with 3072 bits', async () => {
    const owned = world.azure.createKey({ kty: 'RSA-HSM', size: 3072 });
    world.azure.grant(world.application.objectId, owned.name, ['get', 'unwrapKey']);
    const findings = await inspected(owned);
    expect(findings).toHaveLength(4);
    for (const finding of findings) expect(finding).toMatch(/^ok: /);
    expect(findings.join('\n')).toContain(`version ${owned.version} is an RSA key of 3072 bits`);
  });

  it('warns of a short key, one in software, and one that ends soon', async () => {
    const owned = world.create();
    owned.setTimes({ exp: world.clock.now() + 10.5 * day });
    const warnings = (await inspected(owned)).filter((finding) => finding.startsWith('warning'));
    expect(warnings).toEqual([
      expect.stringContaining('3072 bits'),
      expect.stringContaining('held in software'),
      expect.stringContaining('it expires in 10 days'),
    ]);
  });

  it.each([
    ['a disabled key', (key: SimulatedKey) => key.setEnabled(false), 'enable it'],
    ['an expired key', (key: SimulatedKey) => key.setTimes({ exp: 0 }), 'dates'],
    ['a deleted key', (key: SimulatedKey) => key.delete(), 'recover it'],
  ])('fails for %s, with the next step', async (_, change, advice) => {
    const owned = world.create();
    change(owned);
    expect((await inspected(owned)).filter((finding) => finding.startsWith('failed'))).toEqual([
      expect.stringContaining(advice),
    ]);
  });

  it('fails for a key that cannot wrap, and one that may not be read', async () => {
    expect(await inspected(world.create('EC_HSM'))).toEqual([expect.stringMatching(/^failed: .*RSA-HSM/)]);
    const owned = world.azure.createKey();
    expect(await inspected(owned)).toEqual([expect.stringMatching(/^failed: .*permission get.*\(grant/)]);
  });
});
