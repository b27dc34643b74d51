/** Traffic of every kind that the platform's figures are about: hits, misses, waits, damage, outages, a withdrawn key. */
import { setTimeout as pause } from 'node:timers/promises';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import type { Daemon } from '../support/daemon.ts';
import type { Truth } from './prometheus-truth.ts';

/** Longer than the interval of the scrapes, in milliseconds. */
const oneScrapeMs = 1_500;

const limits = 'limits: { kms_calls_per_second: 1000, kms_concurrency: 64, kms_timeout_ms: 10000 }';

/** Each tenant has one kind of traffic and a key of its own. */
const tenants = {
  steady: 'cache_config: { max_entries: 10000 }',
  shared: 'cache_config: { max_entries: 10000 }',
  uncached: 'cache_config: { ttl_seconds: 0 }',
  withdrawn: '',
  slow: '',
} as const;

type TenantName = keyof typeof tenants;

export interface LoadScene extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly aws: AwsSimulator;
  readonly keys: Readonly<Record<TenantName, SimulatedKey>>;
  readonly client: KeyProxyClient;
}

/** A daemon with a tenant for each kind of traffic. Disposing of it ends the daemon, not the simulator. */
export async function loadScene(aws: AwsSimulator): Promise<LoadScene> {
  await using stack = new AsyncDisposableStack();
  const names = Object.keys(tenants) as TenantName[];
  const keys = Object.fromEntries(names.map((name) => [name, aws.createKey()])) as Record<TenantName, SimulatedKey>;
  const folder = stack.use(
    await awsFolder(
      aws,
      names.map((id) => ({ id, keyArn: keys[id].arn, more: `  ${limits}\n  ${tenants[id]}` })),
    ),
  );
  const environment = { KEYPROXY_LOG_LEVEL: 'error', KEYPROXY_LIMITS_FAILED_DECRYPTIONS_PER_MINUTE: '1000000' };
  const daemon = stack.use(await startAwsDaemon(aws, folder, environment));
  const client = stack.use(connect(daemon.socket));
  const owned = stack.move();
  return { daemon, aws, keys, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const orders = { purpose: 'orders' };
const plaintext = Buffer.from('an order of one of the customers');

interface Sealed {
  readonly ciphertext: Buffer;
}

/** Encrypts under a context that nobody has used: the root for it comes from the key service. */
async function encryptAnew(
  { client }: LoadScene,
  truth: Truth,
  tenant_id: TenantName,
  purpose: string,
): Promise<Sealed> {
  truth.missed();
  return await truth.generating(() =>
    client.call<Sealed>('Encrypt', { tenant_id, plaintext, encryption_context: { purpose } }),
  );
}

/** Encrypts and decrypts what is warm, with one damaged ciphertext in five, and now and then a new context. */
async function steady(scene: LoadScene, truth: Truth, until: number): Promise<void> {
  const { client } = scene;
  const warm = { tenant_id: 'steady', encryption_context: orders };
  for (let i = 0; Date.now() < until; i += 1) {
    truth.served();
    const { ciphertext } = await client.call<Sealed>('Encrypt', { ...warm, plaintext });
    truth.served();
    if (i % 5 === 0) {
      const damaged = Buffer.from(ciphertext);
      damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1);
      await truth.decryption(client, 'Decrypt', { ...warm, ciphertext: damaged }, 'failure');
    } else {
      await truth.decryption(client, 'Decrypt', { ...warm, ciphertext }, 'ok');
    }
    if (i % 25 === 0) await encryptAnew(scene, truth, 'steady', `new ${until} ${i}`);
    // For a tenant that is not there: no figure has it.
    if (i % 50 === 0) await client.error('Decrypt', { ...warm, tenant_id: 'nobody', ciphertext });
    await pause(5);
  }
}

/** Five who want the same new key at once: one of them fetches it, and four wait. */
async function shared(scene: LoadScene, truth: Truth, until: number): Promise<void> {
  for (let i = 0; Date.now() < until; i += 1) {
    const purpose = `shared ${until} ${i}`;
    const request = { tenant_id: 'shared', plaintext, encryption_context: { purpose } };
    const first = encryptAnew(scene, truth, 'shared', purpose);
    const others = [1, 2, 3, 4].map(() => {
      truth.served();
      return scene.client.call('Encrypt', request);
    });
    await Promise.all([first, ...others]);
    await pause(200);
  }
}

/** Unwraps without a cache, at a key service that fails one call in ten and, once in a while, all four attempts. */
async function uncached(scene: LoadScene, truth: Truth, until: number): Promise<void> {
  const { aws, keys, client } = scene;
  const whose = { tenant_id: 'uncached', encryption_context: orders };
  const made = await truth.generating(() =>
    client.call<{ wrapped_dek: Buffer }>('GenerateDEK', { ...whose, source: 'DEK_SOURCE_KMS' }),
  );
  const fail = (times: number) =>
    aws.faults.add({
      ...{ service: 'kms', operation: 'Decrypt', keyArn: keys.uncached.arn, times },
      fault: { kind: 'error', code: 'KMSInternalException', status: 500 },
    });
  for (let i = 0; Date.now() < until; i += 1) {
    const lost = i % 40 === 3;
    if (lost) fail(4);
    else if (i % 10 === 0) fail(1);
    truth.missed();
    await truth.decryption(client, 'Unwrap', { ...whose, wrapped_dek: made.wrapped_dek }, lost ? 'failure' : 'ok');
    await pause(20);
  }
}

/** Decrypts until the customer disables the key, and goes on asking after that. */
async function withdrawn(scene: LoadScene, truth: Truth, until: number): Promise<void> {
  const { client, keys } = scene;
  const whose = { tenant_id: 'withdrawn', encryption_context: orders };
  const { ciphertext } = await encryptAnew(scene, truth, 'withdrawn', orders.purpose);
  const half = (Date.now() + until) / 2;
  while (Date.now() < half) {
    truth.served();
    await truth.decryption(client, 'Decrypt', { ...whose, ciphertext }, 'ok');
    await pause(50);
  }
  keys.withdrawn.disable();
  truth.missed();
  await client.error('Encrypt', { ...whose, plaintext, encryption_context: { purpose: 'after the end' } });
  await aScrape();
  // From here on the tenant is refused at the door, and nobody asks the cache.
  await truth.decryption(client, 'Decrypt', { ...whose, ciphertext }, 'failure');
  await aScrape();
  while (Date.now() < until) {
    await truth.decryption(client, 'Decrypt', { ...whose, ciphertext }, 'failure');
    await pause(500);
  }
}

/** Data keys straight from the key service, as many and as slow as `milliseconds` says, sixteen at a time. */
export async function slow(scene: LoadScene, truth: Truth, milliseconds: readonly number[]): Promise<void> {
  const { aws, keys, client } = scene;
  for (const ms of milliseconds) {
    aws.faults.add({
      ...{ service: 'kms', operation: 'GenerateDataKey', keyArn: keys.slow.arn, times: 1 },
      fault: { kind: 'latency', ms },
    });
  }
  const request = { tenant_id: 'slow', encryption_context: orders, source: 'DEK_SOURCE_KMS' };
  const left = milliseconds.map(() => request);
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left.pop() !== undefined) await truth.generating(() => client.call('GenerateDEK', request));
    }),
  );
}

/**
 * Plays everything but slow calls: each kind once, so that its series has begun when it is scraped, and then for `seconds`.
 */
export async function play(scene: LoadScene, truth: Truth, seconds: number): Promise<void> {
  const { aws, keys } = scene;
  aws.faults.add({ service: 'kms', keyArn: keys.shared.arn, fault: { kind: 'latency', ms: 30 } });
  await encryptAnew(scene, truth, 'steady', orders.purpose);
  await Promise.all([steady, shared, uncached].map((kind) => kind(scene, truth, Date.now() + 1)));
  await slow(scene, truth, [1]);
  await aScrape();
  const end = Date.now() + seconds * 1_000;
  await Promise.all([steady, shared, uncached, withdrawn].map((kind) => kind(scene, truth, end)));
}

/** Waits until what has happened so far has been scraped. */
export function aScrape(): Promise<void> {
  return pause(oneScrapeMs);
}
