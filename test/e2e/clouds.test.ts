/** One daemon with tenants in all four clouds: the same calls, the same answers, and each other's stand-ins. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { toldBy, untilServed } from '../support/client-errors.ts';
import { readMetrics } from '../support/client-metrics.ts';
import { type CloudKey, type Clouds, cloudFolder, startCloudDaemon, startClouds } from '../support/clouds.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
  readonly needs_rewrap?: boolean;
  readonly key: { readonly provider: string; readonly key_id: string; readonly key_version: string };
}

const providers = ['aws_kms', 'azure_kv', 'gcp_kms', 'vault'] as const;
/** Provider → the reason of its refusal when its customer withdraws the key in the usual way. */
const withdrawn = {
  aws_kms: 'KEY_DISABLED',
  azure_kv: 'KEY_DISABLED',
  gcp_kms: 'KEY_DISABLED',
  vault: 'KEY_ACCESS_DENIED',
} as const;
const encryption_context = { purpose: 'orders' };
const rest = 'cache_config: { ttl_seconds: 0 }\nlimits: { kms_timeout_ms: 10000 }';

const stack = new AsyncDisposableStack();
let clouds: Clouds;
let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;
/** Tenants by the provider of their one key, and one whose key has a replica at each of the other providers. */
let keys: Record<(typeof providers)[number], CloudKey>;
let everywhere: readonly CloudKey[];

beforeAll(async () => {
  clouds = stack.use(await startClouds());
  const { make } = clouds;
  keys = { aws_kms: make.aws_kms(), azure_kv: make.azure_kv(), gcp_kms: make.gcp_kms(), vault: make.vault() };
  everywhere = providers.map((provider) => make[provider]());
  const [first, ...replicas] = everywhere;
  folder = stack.use(
    await cloudFolder(clouds, {
      ...Object.fromEntries(
        providers.map((provider) => [
          `of-${provider}`,
          `provider: ${provider}\n${provider}: ${keys[provider].block}\n${rest}`,
        ]),
      ),
      everywhere: [
        `provider: ${first?.provider}\n${first?.provider}: ${first?.block}`,
        'replicas:',
        ...replicas.map((key) => `  - { provider: ${key.provider}, ${key.provider}: ${key.block} }`),
        rest,
        'dek: { source: kms }',
      ].join('\n'),
    }),
  );
  daemon = stack.use(await startCloudDaemon(clouds, folder));
  client = stack.use(connect(daemon.socket));
});
afterAll(() => stack.disposeAsync());

describe.each(providers)('a tenant with its key at %s', (provider) => {
  const tenant_id = `of-${provider}`;
  const request = { tenant_id, encryption_context };

  test('encrypts and decrypts, generates both kinds of data keys and unwraps them, and rewraps', async () => {
    const plaintext = Buffer.from(`{"order":17,"at":"${provider}"}`);
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const opened = await client.call<Made>('Decrypt', { ...request, ciphertext });
    expect(opened).toMatchObject({ plaintext, key: { provider } });
    for (const source of ['DEK_SOURCE_DERIVED', 'DEK_SOURCE_KMS']) {
      const made = await client.call<Made>('GenerateDEK', { ...request, source });
      const { wrapped_dek } = await client.call<Made>('Rewrap', { ...request, wrapped_dek: made.wrapped_dek });
      for (const wrapped of [made.wrapped_dek, wrapped_dek]) {
        const unwrapped = await client.call<Made>('Unwrap', { ...request, wrapped_dek: wrapped });
        expect(unwrapped).toMatchObject({ plaintext: made.plaintext, needs_rewrap: false, key: { provider } });
      }
    }
  });

  test('opens nothing of another tenant, another context, or with a changed byte, with one answer for all', async () => {
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', {
      ...request,
      plaintext: Buffer.from('x'),
    });
    const { wrapped_dek } = await client.call<Made>('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS' });
    const other = { tenant_id: `of-${provider === 'vault' ? 'aws_kms' : 'vault'}`, encryption_context };
    const changed = (bytes: Buffer) =>
      Buffer.from(bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)));
    const attempts: [string, object][] = [
      ['Decrypt', { ...other, ciphertext }],
      ['Unwrap', { ...other, wrapped_dek }],
      ['Decrypt', { ...request, encryption_context: { purpose: 'else' }, ciphertext }],
      ['Unwrap', { ...request, encryption_context: { purpose: 'else' }, wrapped_dek }],
      ['Decrypt', { ...request, ciphertext: changed(ciphertext) }],
      ['Unwrap', { ...request, wrapped_dek: changed(wrapped_dek) }],
    ];
    for (const [verb, input] of attempts) expect(toldBy(await client.error(verb, input)).reason).toBe('DECRYPT_FAILED');
  });

  test('is refused when the customer withdraws the key, told what to do, and served when it is back', async () => {
    const made = await client.call<Made>('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS' });
    const unwrap = { ...request, wrapped_dek: made.wrapped_dek };
    keys[provider].disable();
    const told = toldBy(await client.error('Unwrap', unwrap).finally(() => keys[provider].enable()));
    expect(told).toMatchObject({ reason: withdrawn[provider], metadata: { provider } });
    expect(told.message).toMatch(/: .{20}/);
    expect(await untilServed(client, unwrap)).toMatchObject({ plaintext: made.plaintext });
  });
});

test('what a daemon wrote, another one opens, whatever the key service', async () => {
  const plaintext = Buffer.from('before the restart');
  const written = await Promise.all(
    providers.map(async (provider) => {
      const request = { tenant_id: `of-${provider}`, encryption_context };
      return { request, ...(await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext })) };
    }),
  );
  await using second = await startCloudDaemon(clouds, folder);
  using reader = connect(second.socket);
  for (const { request, ciphertext } of written) {
    expect(await reader.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext });
  }
});

describe('a tenant with a replica at each of the other providers', () => {
  const request = { tenant_id: 'everywhere', encryption_context };

  test('has every data key wrapped for all of them, and any one of them opens it', async () => {
    const made = await client.call<Made>('GenerateDEK', request);
    const unwrap = () => client.call<Made>('Unwrap', { ...request, wrapped_dek: made.wrapped_dek });
    const silent: (() => void)[] = [];
    for (const [index, key] of everywhere.entries()) {
      const opened = await unwrap();
      expect(opened).toMatchObject({ plaintext: made.plaintext, needs_rewrap: false, key: { provider: key.provider } });
      silent.push(key.silence());
      if (index + 1 < everywhere.length) continue;
      const failure = await client.error('Unwrap', { ...request, wrapped_dek: made.wrapped_dek });
      expect(toldBy(failure)).toMatchObject({ reason: 'KEY_SERVICE_UNAVAILABLE', metadata: { provider: 'aws_kms' } });
    }
    for (const end of silent) end();
    await expect.poll(async () => (await unwrap()).key.provider, { timeout: 40_000, interval: 250 }).toBe('aws_kms');
    const metrics = await readMetrics(daemon.http);
    for (const provider of ['azure_kv', 'gcp_kms', 'vault']) {
      expect(metrics.sum('keyproxy_kms_failovers_total', { tenant: 'everywhere', provider })).toBeGreaterThan(0);
    }
  });
});
