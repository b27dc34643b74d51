/** A Vault that does not serve, or that is not the one that is meant: each says in one sentence what to do. */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { makeAuthority } from '../support/certificates.ts';
import { context, failureOf, never } from './calls.ts';
import { type VaultKeyInHand, VaultWorld } from './vault-world.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

function meet(world: VaultWorld, key: VaultKeyInHand, status: number): void {
  world.vault.faults.add({ operation: 'encrypt', key: key.owned.name, fault: { kind: 'error', code: '', status } });
}

describe('a Vault that does not serve', () => {
  it('says that it is sealed, and serves again once it is not', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    world.vault.seal();
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(outage);
    expect(error.details).toMatchObject({ providerCode: 'Sealed', advice: expect.stringContaining('unseal') });
    world.vault.unseal();
    await generate(key.service);
  });

  it('is told apart by its health where its answer says too little', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    const codes: [string, () => void][] = [
      ['NotInitialized', () => world.vault.setInitialized(false)],
      ['DrSecondary', () => world.vault.setStandby('forwarding', 'dr-secondary')],
      ['Standby', () => world.vault.setStandby('forwarding')],
    ];
    for (const [code, arrange] of codes) {
      arrange();
      const fault = { operation: 'encrypt', fault: { kind: 'reset' } } as const;
      const reset = world.vault.faults.add(fault);
      const error = await failureOf(generate(key.service));
      expect(error.fault).toEqual(outage);
      expect(error.details.providerCode).toBe(code);
      expect(error.details.advice).toBeDefined();
      reset.remove();
      world.vault.setInitialized(true);
      world.vault.setStandby('no');
      world.clock.skip(1_000);
    }
  });

  it('asks for its health once for many failures', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    meet(world, key, 500);
    await Promise.all(Array.from({ length: 20 }, () => failureOf(generate(key.service))));
    expect(world.vault.count('health')).toBe(1);
  });

  it('and whose health hangs is an outage as any other', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    meet(world, key, 500);
    world.vault.faults.add({ operation: 'health', fault: { kind: 'hang' } });
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(outage);
    expect(error.details.providerCode).toBe('HTTP 500');
  });

  it('is asked for its health outside the namespace of the key', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { namespace: 'team' } });
    await generate(key.service);
    world.vault.setStandby('forwarding');
    world.vault.faults.add({ operation: 'encrypt', fault: { kind: 'reset' } });
    expect((await failureOf(generate(key.service))).details.providerCode).toBe('Standby');
  });

  it('that sends elsewhere is not followed', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    world.vault.setStandby('redirecting');
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(outage);
    expect(error.details).toMatchObject({ providerCode: 'Standby', advice: expect.stringContaining('active node') });
    expect(world.vault.count('encrypt', { outcome: 'ok' })).toBe(1);
  });

  it('tells when it is to be asked again', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    world.vault.faults.add({ operation: 'encrypt', fault: { kind: 'throttle', retryAfterSeconds: 7 } });
    const { fault, details } = await failureOf(generate(key.service));
    expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_THROTTLED', retryAfterMs: 7_000 });
    expect(details.providerCode).toBe('QuotaExceeded');
  });

  it('listens at a port that nobody has', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const spare = createServer();
    await new Promise<void>((done) => spare.listen(0, '127.0.0.1', done));
    const address = spare.address();
    await new Promise((done) => spare.close(done));
    const port = typeof address === 'object' ? address?.port : undefined;
    await using service = world.open({ ...key.config, address: `http://127.0.0.1:${port}` });
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(outage);
    expect(error.details).toMatchObject({
      providerCode: 'ECONNREFUSED',
      advice: expect.stringContaining('address'),
    });
  });
});

describe('something that is not Vault', () => {
  async function answering(status: number, body: string | Buffer, contentType = 'application/json') {
    const world = await VaultWorld.start();
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { 'content-type': contentType }).end(body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const key = await world.openRoleKey();
    const service = world.open({ ...key.config, address: `http://127.0.0.1:${port}` });
    const dispose = async () => {
      await service[Symbol.asyncDispose]();
      await key.service[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await world[Symbol.asyncDispose]();
    };
    return { service, [Symbol.asyncDispose]: dispose };
  }

  it.each([
    ['a page of a proxy', 403, '<html>blocked</html>', 'text/html'],
    ['JSON of a gateway', 403, '{"message":"forbidden"}', 'application/json'],
    ['JSON that is no object', 200, '"yes"', 'application/json'],
    ['nothing', 200, '', 'application/json'],
    ['half of an answer', 200, '{"request_id":"1","auth":{"client_token":"hvs.x', 'application/json'],
    ['a login without a token', 200, '{"request_id":"1","auth":{"lease_duration":60}}', 'application/json'],
    [
      'a token that no header takes',
      200,
      '{"request_id":"1","auth":{"client_token":"a\\u0020b","lease_duration":60}}',
      'text/plain',
    ],
    ['more than any answer has', 200, Buffer.alloc(1_100_000, 0x20), 'application/json'],
  ])('gives %s, which is an outage and never a refusal', async (_, status, body, contentType) => {
    await using setting = await answering(status, body, contentType);
    const error = await failureOf(generate(setting.service));
    expect(error.fault).toEqual(outage);
    expect(error.message).not.toMatch(/blocked|forbidden|hvs/);
  });
});

describe('a Vault behind TLS', () => {
  it('is trusted by the authority that ca_file names, read anew when it changes', async () => {
    await using world = await VaultWorld.start({ tls: true });
    const other = await makeAuthority();
    const caFile = await world.file('ca.pem', world.vault.ca);
    await using key = await world.openRoleKey({ caFile });
    await generate(key.service);
    await writeFile(caFile, other.ca);
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(outage);
    expect(error.details.advice).toContain('ca_file');
    await writeFile(caFile, `${other.ca}\n${world.vault.ca}`);
    await generate(key.service);
  });

  it('that nobody vouches for is an outage, and gets no secret id', async () => {
    await using world = await VaultWorld.start({ tls: true });
    await using key = await world.openRoleKey();
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(outage);
    expect(error.details.advice).toContain('ca_file');
    expect(world.vault.calls).toEqual([]);
  });

  it.each([
    ['is not there', undefined],
    ['holds no certificate', 'none'],
  ])('with a ca_file that %s is a fault of the configuration', async (_, content) => {
    await using world = await VaultWorld.start({ tls: true });
    const caFile = content === undefined ? `${world.folder}/none` : await world.file('ca.pem', content);
    await using key = await world.openRoleKey({ caFile });
    const error = await failureOf(generate(key.service));
    expect(error.fault).toEqual(misconfigured);
    expect(error.details.advice).toContain('ca_file');
  });
});
