/** Who keyproxy is for Google Cloud: each way to a token, over the wire, and what each refusal has to mean. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import { openGcpCredentials } from '../../src/kms/gcp/open.ts';
import type { GcpCredential } from '../../src/kms/key-config.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { SimulatedKey } from '../simulators/gcp/simulated-key.ts';
import { context, failureOf, never } from './calls.ts';
import { allRoles, GcpWorld } from './gcp-world.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const maybeDenied: KmsFault = { kind: 'ambiguous', reason: 'ROLE_DENIED' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const subject = 'system:serviceaccount:apps:keyproxy';

afterEach(() => vi.unstubAllEnvs());

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

/** A key that `member` alone may use. */
function keyFor(world: GcpWorld, member: string): SimulatedKey {
  const owned = world.gcp.createKey();
  world.gcp.grant(member, owned.name, ...allRoles);
  return owned;
}

/** Leaves the process without default credentials but for `env`. */
async function surroundings(world: GcpWorld, env: Readonly<Record<string, string>> = {}): Promise<void> {
  vi.stubEnv('CLOUDSDK_CONFIG', world.folder);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  vi.stubEnv('GCE_METADATA_HOST', world.gcp.metadataHost);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

async function federated(world: GcpWorld, options: { impersonate?: string; change?: object } = {}) {
  const federation = world.gcp.federation();
  const tokenFile = await world.write('subject-token', federation.subjectToken({ subject }));
  const { impersonate, change = {} } = options;
  const config = federation.credentialConfig({ tokenFile, ...(impersonate !== undefined && { impersonate }) });
  const file = await world.write('federation.json', { ...config, ...change });
  const credential: GcpCredential = { kind: 'workload_identity_federation', file };
  return { federation, credential, principal: federation.principal(subject), config };
}

/** For this long a failed login answers for itself, in milliseconds. */
const failureHoldsMs = 1_000;

describe('a service account’s own key', () => {
  it('gives one token for all keys, and another only when it is due', async () => {
    await using world = await GcpWorld.start({ steered: true });
    await using one = await world.openKey();
    await using two = await world.openKey();
    await Promise.all([...Array(5)].flatMap(() => [generate(one.service), generate(two.service)]));
    expect(world.gcp.count('token', { service: 'oauth2' })).toBe(1);
    world.clock.skip(2_500_000);
    await vi.waitFor(() => expect(world.gcp.count('token', { service: 'oauth2' })).toBe(2));
  });

  it('is read again for each token', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    world.account.deleteKeys();
    expect((await failureOf(generate(key.service))).fault).toEqual({ kind: 'credentials' });
    await world.write('own.json', world.account.keyFile());
    world.clock.skip(failureHoldsMs);
    await generate(key.service);
  });

  it('is renewed once within a call whose token Google ended early', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    await generate(key.service);
    world.gcp.expireTokens();
    await Promise.all([...Array(8)].map(() => generate(key.service)));
    expect(world.gcp.count('token', { service: 'oauth2' })).toBe(2);
  });

  it('goes to no token_uri of the file', async () => {
    await using world = await GcpWorld.start();
    const token_uri = 'http://127.0.0.1:9/steal';
    const file = await world.write('other.json', { ...world.account.keyFile(), token_uri });
    await using service = world.open(world.createKey('SYMMETRIC'), {
      credential: { kind: 'service_account_file', file },
    });
    await generate(service);
  });

  it.each([
    ['is missing', undefined],
    ['is no JSON', 'secret{'],
    ['is of another type', { type: 'authorized_user', refresh_token: 'secret' }],
    ['has no key', { type: 'service_account', client_email: 'a@b.iam.gserviceaccount.com' }],
    ['has a key that is none', { type: 'service_account', client_email: 'a@b', private_key: 'secret' }],
  ])('whose file %s is a fault of the configuration, without a word of the file', async (_, content) => {
    await using world = await GcpWorld.start();
    const file = content === undefined ? '/nowhere' : await world.write('bad.json', content);
    await using service = world.open(world.createKey('SYMMETRIC'), {
      credential: { kind: 'service_account_file', file },
    });
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(misconfigured);
    expect(error.details.advice).toContain('service_account_file');
    expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toMatch(/secret|nowhere/);
  });

  it.each([
    ['an account that is gone', (world: GcpWorld) => world.account.remove(), { kind: 'credentials' }],
    ['invalid_scope', oauthError('invalid_scope', 400), misconfigured],
    ['an error of the server', oauthError('internal_failure', 500), outage],
    ['a 500 of another form', oauthError('weird', 503), outage],
    ['throttling', (world: GcpWorld) => fault(world, 'oauth2', { kind: 'throttle' }), throttled],
    ['a proxy’s page', (world: GcpWorld) => fault(world, 'oauth2', { kind: 'html', status: 200 }), outage],
    ['a proxy’s 403', (world: GcpWorld) => fault(world, 'oauth2', { kind: 'html', status: 403 }), outage],
    ['a reset', (world: GcpWorld) => fault(world, 'oauth2', { kind: 'reset' }), outage],
    ['half an answer', (world: GcpWorld) => fault(world, 'oauth2', { kind: 'truncate' }), outage],
  ] as const)('takes %s for what it is', async (_, arrange, expected) => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    arrange(world);
    expect((await failureOf(generate(key.service))).fault).toEqual(expected);
  });
});

function fault(
  world: GcpWorld,
  service: 'oauth2' | 'sts' | 'iam' | 'metadata',
  what: Parameters<typeof world.gcp.faults.add>[0]['fault'],
) {
  world.gcp.faults.add({ service, fault: what });
}

function oauthError(code: string, status: number) {
  return (world: GcpWorld) => fault(world, 'oauth2', { kind: 'error', code, status });
}

describe('a token service that says nothing', () => {
  it.each(['hang', 'half-open'] as const)('is an outage in time (%s)', async (kind) => {
    await using world = await GcpWorld.start();
    fault(world, 'oauth2', { kind });
    const { clock } = world;
    const { authorities } = world.gcp;
    using credentials = openGcpCredentials({ clock, random: () => 0.5, timeoutMs: 200, authorities });
    const file = await world.write('own-too.json', world.account.keyFile());
    using lease = credentials.lease({ credential: { kind: 'service_account_file', file } });
    expect((await failureOf(lease.value.current(never))).fault).toEqual(outage);
  });

  it('does not keep a caller waiting who gives up', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    fault(world, 'oauth2', { kind: 'hang' });
    const start = performance.now();
    const call = key.service.generate({ length: 32, context, signal: AbortSignal.timeout(100) });
    expect((await failureOf(call)).fault).toEqual(outage);
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});

describe('workload identity federation', () => {
  it('exchanges a foreign token for one of Google’s', async () => {
    await using world = await GcpWorld.start();
    const { credential, principal } = await federated(world);
    await using service = world.open(keyFor(world, principal), { credential });
    await generate(service);
    expect(world.gcp.count('Encrypt', { principal })).toBe(1);
  });

  it('acts as the service account that its file names', async () => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    const { credential, principal } = await federated(world, { impersonate: account.email });
    world.gcp.allowImpersonation(principal, account.email);
    await using service = world.open(keyFor(world, account.email), { credential });
    await generate(service);
    expect(world.gcp.count('Encrypt', { principal: account.email })).toBe(1);
  });

  it('reads the foreign token anew each time', async () => {
    await using world = await GcpWorld.start();
    const { credential, principal, federation } = await federated(world);
    await world.write('subject-token', federation.subjectToken({ subject, expiresAt: Date.now() - 600_000 }));
    await using service = world.open(keyFor(world, principal), { credential });
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual({ kind: 'credentials' });
    expect(error.details.advice).toContain('workload identity pool');
    await world.write('subject-token', federation.subjectToken({ subject }));
    world.clock.skip(failureHoldsMs);
    await generate(service);
  });

  it('takes a provider that is disabled, and a subject that is not let in, for what may be a refusal', async () => {
    await using world = await GcpWorld.start();
    const { credential, principal, federation } = await federated(world);
    await using service = world.open(keyFor(world, principal), { credential });
    federation.setDisabled(true);
    expect((await failureOf(generate(service))).fault).toEqual(maybeDenied);
    federation.setDisabled(false);
    federation.allowOnly(['somebody-else']);
    world.clock.skip(failureHoldsMs);
    expect((await failureOf(generate(service))).fault).toEqual(maybeDenied);
  });

  it.each(['reset', 'html', 'truncate'] as const)('takes a %s on the way for an outage', async (kind) => {
    await using world = await GcpWorld.start();
    const { credential, principal } = await federated(world);
    await using service = world.open(keyFor(world, principal), { credential });
    fault(world, 'sts', kind === 'html' ? { kind, status: 403 } : { kind });
    const error = await failureOf(generate(service));
    expect(error.fault).toEqual(outage);
    if (kind === 'html') expect(error.details.advice).toContain('proxies');
  });

  it('takes a file without a foreign token for a fault of the credentials', async () => {
    await using world = await GcpWorld.start();
    const { credential } = await federated(world, { change: { credential_source: { file: '/nowhere' } } });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    expect((await failureOf(generate(service))).fault).toEqual({ kind: 'credentials' });
  });

  it.each([
    ['token_url', { token_url: 'https://sts.evil.example/v1/token' }],
    ['token_url', { token_url: 'http://sts.googleapis.com/v1/token' }],
    ['token_url', { token_url: 'https://sts.googleapis.com.evil.example/v1/token' }],
    ['service_account_impersonation_url', { service_account_impersonation_url: 'https://evil.example/v1/x' }],
    ['is a program', { credential_source: { executable: { command: '/bin/true' } } }],
    ['must be https', { credential_source: { url: 'http://10.0.0.1/token' } }],
    ['external_account', { type: 'service_account' }],
  ])('goes nowhere else, and says so (%s)', async (word, change) => {
    await using world = await GcpWorld.start();
    const { credential } = await federated(world, { change });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    const { fault: found, details } = await failureOf(generate(service));
    expect(found).toEqual(misconfigured);
    expect(details.advice).toContain(word);
    expect(world.gcp.calls).toEqual([]);
  });
});

describe('an impersonated service account', () => {
  it('is asked for in keyproxy’s own name, for 900 s, and shared by its keys alone', async () => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    world.gcp.allowImpersonation(world.account.email, account.email);
    await using one = world.open(keyFor(world, account.email), { impersonate: account.email });
    await using two = world.open(keyFor(world, account.email), { impersonate: account.email });
    await Promise.all([generate(one), generate(two)]);
    expect(world.gcp.count('generateAccessToken', { principal: world.account.email })).toBe(1);
    expect(world.gcp.count('Encrypt', { principal: account.email })).toBe(2);
    const ends = world.credentials.expiries().map(({ expiresAtMs }) => expiresAtMs - world.clock.now());
    expect(Math.min(...ends)).toBeLessThanOrEqual(901_000);
    expect(Math.min(...ends)).toBeGreaterThan(880_000);
  });

  it.each(['that does not let keyproxy in', 'that was deleted'])('%s is a refusal of the whole key', async (what) => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    if (what === 'that was deleted') {
      world.gcp.allowImpersonation(world.account.email, account.email);
      account.remove();
    }
    await using service = world.open(keyFor(world, account.email), { impersonate: account.email });
    const { fault: found, details } = await failureOf(generate(service));
    expect(found).toEqual(roleDenied);
    expect(details).toMatchObject({
      operation: 'GenerateAccessToken',
      advice: expect.stringContaining('TokenCreator'),
    });
    expect(world.gcp.calls.filter((call) => call.service === 'kms')).toEqual([]);
  });

  it('whose binding is taken away is refused when its token is next renewed, and comes back', async () => {
    await using world = await GcpWorld.start({ steered: true });
    const account = world.gcp.createServiceAccount();
    world.gcp.allowImpersonation(world.account.email, account.email);
    await using service = world.open(keyFor(world, account.email), { impersonate: account.email });
    await generate(service);
    world.gcp.denyImpersonation(world.account.email, account.email);
    world.clock.skip(650_000);
    await vi.waitFor(async () => expect((await failureOf(generate(service))).fault).toEqual(roleDenied));
    world.gcp.allowImpersonation(world.account.email, account.email);
    world.clock.skip(1_000);
    await generate(service);
  });

  it('keeps its token while the service gives no answer', async () => {
    await using world = await GcpWorld.start({ steered: true });
    const account = world.gcp.createServiceAccount();
    world.gcp.allowImpersonation(world.account.email, account.email);
    await using service = world.open(keyFor(world, account.email), { impersonate: account.email });
    await generate(service);
    fault(world, 'iam', { kind: 'reset' });
    world.clock.skip(800_000);
    await generate(service);
    world.clock.skip(101_000);
    expect((await failureOf(generate(service))).fault).toEqual(outage);
  });

  it.each([
    ['PERMISSION_DENIED', 403, roleDenied],
    ['NOT_FOUND', 404, roleDenied],
    ['UNAUTHENTICATED', 401, { kind: 'credentials' }],
    ['INVALID_ARGUMENT', 400, misconfigured],
    ['FAILED_PRECONDITION', 400, maybeDenied],
    ['RESOURCE_EXHAUSTED', 429, throttled],
    ['UNAVAILABLE', 503, outage],
    ['INTERNAL', 500, outage],
  ] as const)('takes %s for what it is', async (code, status, expected) => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    world.gcp.allowImpersonation(world.account.email, account.email);
    await using service = world.open(keyFor(world, account.email), { impersonate: account.email });
    fault(world, 'iam', { kind: 'error', code, status });
    expect((await failureOf(generate(service))).fault).toEqual(expected);
  });

  it.each([403, 404, 502])('takes a proxy’s page with %i for an outage', async (status) => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    await using service = world.open(keyFor(world, account.email), { impersonate: account.email });
    fault(world, 'iam', { kind: 'html', status });
    expect((await failureOf(generate(service))).fault).toEqual(outage);
  });
});

describe('application default credentials', () => {
  const credential: GcpCredential = { kind: 'application_default' };

  it('are those of the machine where nothing else is said', async () => {
    await using world = await GcpWorld.start();
    await surroundings(world);
    world.gcp.attach(world.account);
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    await generate(service);
    expect(world.gcp.count('token', { service: 'metadata' })).toBe(1);
  });

  it('come from a metadata server that was not there when it was first asked', async () => {
    await using world = await GcpWorld.start();
    await surroundings(world);
    world.gcp.attach(world.account);
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    const silent = world.gcp.faults.add({ service: 'metadata', fault: { kind: 'reset' } });
    expect((await failureOf(generate(service))).fault).toEqual(outage);
    silent.remove();
    await generate(service);
  });

  it('that are nowhere to be found are a fault of the credentials', async () => {
    await using world = await GcpWorld.start();
    await surroundings(world);
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    const { fault: found, details } = await failureOf(generate(service));
    expect(found).toEqual({ kind: 'credentials' });
    expect(details.advice).toContain('GOOGLE_APPLICATION_CREDENTIALS');
  });

  it('are the file’s that the environment names', async () => {
    await using world = await GcpWorld.start();
    const file = await world.write('named.json', world.account.keyFile());
    await surroundings(world, { GOOGLE_APPLICATION_CREDENTIALS: file });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    await generate(service);
    expect(world.gcp.count('token', { service: 'oauth2' })).toBe(1);
  });

  it('may be an external account', async () => {
    await using world = await GcpWorld.start();
    const { principal, credential: named } = await federated(world);
    await surroundings(world, { GOOGLE_APPLICATION_CREDENTIALS: 'file' in named ? named.file : '' });
    await using service = world.open(keyFor(world, principal), { credential });
    await generate(service);
  });

  it('whose own service account lets nobody in are no customer’s refusal', async () => {
    await using world = await GcpWorld.start();
    const account = world.gcp.createServiceAccount();
    const { credential: named } = await federated(world, { impersonate: account.email });
    await surroundings(world, { GOOGLE_APPLICATION_CREDENTIALS: 'file' in named ? named.file : '' });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    expect((await failureOf(generate(service))).fault).toEqual({ kind: 'credentials' });
  });

  it('whose own pool is switched off are no customer’s refusal either', async () => {
    await using world = await GcpWorld.start();
    const { credential: named, federation } = await federated(world);
    federation.setDisabled(true);
    await surroundings(world, { GOOGLE_APPLICATION_CREDENTIALS: 'file' in named ? named.file : '' });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    expect((await failureOf(generate(service))).fault).toEqual({ kind: 'credentials' });
  });

  it('of an unknown type are a fault of the configuration', async () => {
    await using world = await GcpWorld.start();
    const file = await world.write('named.json', { type: 'something_new', secret: 'secret' });
    await surroundings(world, { GOOGLE_APPLICATION_CREDENTIALS: file });
    await using service = world.open(world.createKey('SYMMETRIC'), { credential });
    expect((await failureOf(generate(service))).fault).toEqual(misconfigured);
  });
});
