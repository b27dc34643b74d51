/** What it means when Microsoft Entra ID gives no token. */
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { entraFaults } from '../../src/kms/azure/login-faults.ts';
import { openAzureCredentials } from '../../src/kms/azure/open.ts';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { Fault } from '../simulators/http/fault.ts';
import { request } from './azure-calls.ts';
import { AzureWorld } from './azure-world.ts';
import { failureOf, never } from './calls.ts';

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start();
});
afterAll(() => world[Symbol.asyncDispose]());
afterEach(() => world.azure.faults.clear());

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const ours: KmsFault = { kind: 'credentials' };
const config: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const refused: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };

/** Makes logins meet a fault, and returns what a call ends with. */
async function failedLogin(fault: Fault, service: 'entra' | 'imds' = 'entra') {
  const { service: key } = await world.withSecret(world.newApplication());
  await using opened = key;
  world.azure.faults.add({ service, operation: 'token', fault });
  return await failureOf(opened.generate(request));
}

/** Each number by what it has to mean: a second time, from the reference of AADSTS codes. */
const numbers: readonly [meaning: KmsFault, numbers: readonly number[]][] = [
  [ours, [7000215, 7000216, 7000218, 7000222, 700021, 700024, 700027, 700211, 700212, 700213, 70021, 70025, 50027]],
  [ours, [900144]],
  [config, [90002, 900023, 700016, 700025, 500011, 70011, 650052, 650057, 1002012, 50049]],
  [refused, [7000112, 500014, 50105, 53003, 530035, 65001, 90094]],
  [outage, [90033, 90036]],
  [throttled, [90024, 90055, 50196]],
];

describe('a login that Microsoft Entra ID does not give', () => {
  it.each(numbers.flatMap(([meaning, all]) => all.map((number) => [number, meaning] as const)))(
    'sorts AADSTS%i',
    async (number, meaning) => {
      const { fault, details } = await failedLogin({ kind: 'error', code: `AADSTS${number}`, status: 400 });
      expect(fault).toEqual(meaning);
      expect(details).toMatchObject({ provider: 'azure_kv', operation: 'GetToken', providerCode: `AADSTS${number}` });
      expect(details.requestId).toMatch(/^[0-9a-f-]{36}$/);
      if (meaning.kind !== 'outage') expect(details.advice).toMatch(/^[a-z]/);
    },
  );

  it('goes through every number of its table', () => {
    const covered = numbers.flatMap(([, all]) => all.map(String));
    expect(Object.keys(entraFaults).toSorted()).toEqual(covered.toSorted());
  });

  const others: readonly [string, Fault, KmsFault][] = [
    [
      'an unknown number',
      { kind: 'error', code: 'AADSTS999999', status: 400 },
      { kind: 'ambiguous', reason: 'ROLE_DENIED' },
    ],
    ['a failure of its own', { kind: 'error', code: 'server_error/AADSTS90099', status: 503 }, outage],
    ['throttling', { kind: 'throttle' }, throttled],
    ['throttling with Retry-After', { kind: 'throttle', retryAfterSeconds: 7 }, { ...throttled, retryAfterMs: 7_000 }],
    ['a page of a proxy with 200', { kind: 'html', status: 200 }, outage],
    ['a page of a proxy with 403', { kind: 'html', status: 403 }, outage],
    ['a page of a proxy with 502', { kind: 'html', status: 502 }, outage],
    ['a reset connection', { kind: 'reset' }, outage],
    ['an answer cut in the middle', { kind: 'truncate' }, outage],
  ];
  it.each(others)('sorts %s', async (_, fault, expected) => {
    expect((await failedLogin(fault)).fault).toEqual(expected);
  });

  it.each(['hang', 'half-open'] as const)(
    'ends at the caller’s signal where the directory is silent (%s)',
    async (kind) => {
      const { service } = await world.withSecret(world.newApplication());
      await using opened = service;
      world.azure.faults.add({ service: 'entra', operation: 'token', fault: { kind } });
      const start = performance.now();
      const { fault } = await failureOf(opened.generate({ ...request, signal: AbortSignal.timeout(100) }));
      expect(fault).toEqual(outage);
      expect(performance.now() - start).toBeLessThan(3_000);
    },
  );

  it('ends by its own timeout where the directory is silent', async () => {
    const { azure, clock } = world;
    const { authorityHost, ca } = azure;
    using credentials = openAzureCredentials({ clock, random: () => 0.5, timeoutMs: 100, authorityHost, ca });
    azure.faults.add({ service: 'entra', operation: 'token', fault: { kind: 'hang' } });
    const { credential, tenant, clientId } = world.secretIdentity();
    const scope = 'https://vault.azure.net/.default';
    using lease = credentials.lease({ credential, tenant, clientId, scope, authorityHost });
    expect((await failureOf(lease.credentials.current(never))).fault).toEqual(outage);
  });

  it('is an outage with a next step where the directory’s certificate is not trusted', async () => {
    const { authorityHost } = world.azure;
    using credentials = openAzureCredentials({
      clock: world.clock,
      random: () => 0.5,
      timeoutMs: 5_000,
      authorityHost,
    });
    const { credential, tenant, clientId } = world.secretIdentity();
    const scope = 'https://vault.azure.net/.default';
    using lease = credentials.lease({ credential, tenant, clientId, scope, authorityHost });
    const { fault, details } = await failureOf(lease.credentials.current(never));
    expect(fault).toEqual(outage);
    expect(details.advice).toContain('certificate');
  });

  it('tells nothing of the secret', async () => {
    const application = world.newApplication();
    const { service } = await world.withSecret(application);
    await using opened = service;
    application.setSecret('another-secret-than-before');
    const shown = inspect(await failureOf(opened.generate(request)), { depth: 9, showHidden: true });
    expect(shown).toContain('AADSTS7000215');
    expect(shown).not.toContain(application.secret);
  });
});
