/** Faults on demand as a client sees them, which calls they meet, and the limit of requests. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { askForToken, rawCall, tokenOf, vaultCall } from '../../simulators/azure/clients.ts';
import { type AzureSimulator, startAzureSimulator } from '../../simulators/azure/server.ts';
import type { Fault } from '../../simulators/http/fault.ts';
import { FakeClock } from '../../support/fake-clock.ts';

async function prepared(azure: AzureSimulator) {
  const application = azure.createApplication();
  const key = azure.createKey({ kty: 'EC' });
  azure.grant(application.objectId, '*', ['get', 'list']);
  const token = await tokenOf(azure, application);
  const get = () => vaultCall(azure, `keys/${key.name}`, { token });
  return { application, key, token, get };
}

/** How a call ends that nobody waits for longer than 150 ms. */
async function within(call: Promise<{ code: string; status: number }>): Promise<string> {
  const silence = new Promise<string>((done) => setTimeout(done, 150, 'silence').unref());
  const end = call.then(
    ({ code, status }) => (status === 200 ? 'ok' : code),
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
  return Promise.race([end, silence]);
}

describe('a fault', () => {
  it.each<[Fault, string, string]>([
    [{ kind: 'error', code: 'InternalServerError', status: 500 }, 'InternalServerError', 'InternalServerError'],
    [
      { kind: 'error', code: 'Forbidden/ForbiddenByConnection', status: 403 },
      'ForbiddenByConnection',
      'ForbiddenByConnection',
    ],
    [{ kind: 'throttle' }, 'VaultRequestTypeLimitReached', 'VaultRequestTypeLimitReached'],
    [{ kind: 'reset' }, 'ECONNRESET', 'fault:reset'],
    [{ kind: 'hang' }, 'silence', 'fault:hang'],
    [{ kind: 'half-open' }, 'silence', 'ok'],
    [{ kind: 'truncate' }, 'ECONNRESET', 'ok'],
    [{ kind: 'trickle', msPerByte: 50 }, 'silence', 'ok'],
    [{ kind: 'latency', ms: 1 }, 'ok', 'ok'],
  ])('$kind reaches the client once and then no more', async (fault, seen, recorded) => {
    await using azure = await startAzureSimulator();
    const { get } = await prepared(azure);
    azure.faults.add({ operation: 'getKey', times: 1, fault });
    expect(await within(get())).toBe(seen);
    expect((await get()).status).toBe(200);
    expect(azure.calls.slice(-2).map(({ outcome }) => outcome)).toEqual([recorded, 'ok']);
  });

  it('html is a page with its status, on all services', async () => {
    await using azure = await startAzureSimulator();
    const { application, get } = await prepared(azure);
    azure.faults.add({ fault: { kind: 'html', status: 502 } });
    const imds = rawCall(azure, `${azure.imdsEndpoint}/metadata/identity/oauth2/token`);
    for (const answer of await Promise.all([get(), askForToken(azure, application), imds])) {
      expect([answer.status, answer.headers.get('content-type')]).toEqual([502, 'text/html']);
      expect(answer.text).toMatch(/^<html>/);
    }
  });

  it('throttle has the form of its service, and tells how long to wait when asked to', async () => {
    await using azure = await startAzureSimulator();
    const { application, get } = await prepared(azure);
    const rule = azure.faults.add({ fault: { kind: 'throttle', retryAfterSeconds: 3 } });
    const vault = await get();
    const entra = await askForToken(azure, application);
    expect([vault.status, vault.headers.get('retry-after')]).toEqual([429, '3']);
    expect(vault.json).toMatchObject({
      error: { code: 'Throttled', innererror: { code: 'VaultRequestTypeLimitReached' } },
    });
    expect([entra.status, entra.code, entra.headers.get('retry-after')]).toEqual([429, '90055', '3']);
    rule.remove();
    azure.faults.add({ fault: { kind: 'throttle' } });
    expect((await get()).headers.has('retry-after')).toBe(false);
  });

  it('of the directory has the code that it names, with the error that goes with it or the one that it gives', async () => {
    await using azure = await startAzureSimulator();
    const { application } = await prepared(azure);
    const ask = async (code: string, status: number) => {
      azure.faults.add({ service: 'entra', times: 1, fault: { kind: 'error', code, status } });
      const { json, status: seen } = await askForToken(azure, application);
      return [seen, json['error'], json['error_codes']];
    };
    expect(await ask('AADSTS7000222', 401)).toEqual([401, 'invalid_client', [7_000_222]]);
    expect(await ask('server_error/AADSTS90033', 503)).toEqual([503, 'server_error', [90_033]]);
  });

  it('for one key meets that key alone, until it is taken away', async () => {
    await using azure = await startAzureSimulator();
    const { key, token, get } = await prepared(azure);
    const other = azure.createKey({ kty: 'EC' });
    const rule = azure.faults.add({
      key: key.name,
      fault: { kind: 'error', code: 'InternalServerError', status: 500 },
    });
    expect((await get()).status).toBe(500);
    expect((await vaultCall(azure, `keys/${key.name}/${key.version}`, { token })).status).toBe(500);
    expect((await vaultCall(azure, `keys/${other.name}`, { token })).status).toBe(200);
    rule.remove();
    expect((await get()).status).toBe(200);
  });

  it('for one operation leaves the challenge before it alone, and one for all does not', async () => {
    await using azure = await startAzureSimulator();
    const { key, get } = await prepared(azure);
    const challenge = () => vaultCall(azure, `keys/${key.name}`);
    azure.faults.add({ operation: 'getKey', fault: { kind: 'error', code: 'InternalServerError', status: 500 } });
    expect([(await challenge()).status, (await get()).status]).toEqual([401, 500]);
    azure.faults.clear();
    azure.faults.add({ service: 'vault', fault: { kind: 'error', code: 'InternalServerError', status: 500 } });
    expect([(await challenge()).status, (await get()).status]).toEqual([500, 500]);
  });

  it('for one service leaves the others alone', async () => {
    await using azure = await startAzureSimulator();
    const { application, get } = await prepared(azure);
    azure.faults.add({ service: 'entra', fault: { kind: 'error', code: 'AADSTS90033', status: 503 } });
    expect((await askForToken(azure, application)).status).toBe(503);
    expect((await get()).status).toBe(200);
  });

  it('that hangs does not keep the simulator from closing', async () => {
    const azure = await startAzureSimulator();
    const { get } = await prepared(azure);
    azure.faults.add({ operation: 'getKey', fault: { kind: 'hang' } });
    const call = get().catch((error: NodeJS.ErrnoException) => error.code);
    while (azure.count('getKey') === 0) await new Promise((done) => setTimeout(done, 1));
    await azure[Symbol.asyncDispose]();
    expect(await call).toBe('ECONNRESET');
    const refused = await new Promise((done) => {
      const port = Number(new URL(azure.vaultUrl).port);
      connect(port, '127.0.0.1').once('error', (error: NodeJS.ErrnoException) => done(error.code));
    });
    expect(refused).toBe('ECONNREFUSED');
  });
});

describe('the limit of requests', () => {
  it('throttles a vault, not the HSM beside it, and fills up with time', async () => {
    const clock = new FakeClock();
    await using azure = await startAzureSimulator({ clock });
    const { application, get } = await prepared(azure);
    const hsmToken = await tokenOf(azure, application, 'https://managedhsm.azure.net');
    azure.setRateLimit(2);
    expect([(await get()).status, (await get()).status]).toEqual([200, 200]);
    const third = await get();
    expect([third.status, third.code]).toEqual([429, 'VaultRequestTypeLimitReached']);
    expect((await vaultCall(azure, 'keys', { token: hsmToken, origin: azure.hsmUrl })).status).toBe(200);
    clock.advance(500);
    expect([(await get()).status, (await get()).status]).toEqual([200, 429]);
    azure.setRateLimit(undefined);
    expect((await get()).status).toBe(200);
  });
});
