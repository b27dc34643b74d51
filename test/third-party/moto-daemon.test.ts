/** The whole way on a key service that nobody here wrote: application, daemon, moto; and others' readers of it all. */
import { buildClient, CommitmentPolicy, KmsKeyringNode, type KmsNodeClientSupplier } from '@aws-crypto/client-node';
import { KMS } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect } from '../support/client.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { daemonFolder } from '../support/daemon-folder.ts';
import { sampleBytes } from '../support/sample-message.ts';
import { identity, region } from './aws-identity.ts';
import { motoWorld, role } from './moto-world.ts';

const endpoint = inject('endpoints').moto;
const tenant = { tenant_id: 'acme' };
const pairs = { purpose: 'orders' };
const request = { ...tenant, encryption_context: pairs };
/** Around one frame and two, and none and many. */
const sizes = [0, 1, 65_535, 65_536, 65_537, 1 << 20];

/** A daemon's folder with one tenant, whose key is new. */
interface DaemonOnMoto extends AsyncDisposable {
  readonly keyArn: string;
  start(): Promise<Daemon>;
}

function tenantFile(keyArn: string, endpoint: string): string {
  return `
customer: acme
tenant_id: acme
encryption:
  provider: aws_kms
  aws_kms:
    key_arn: ${keyArn}
    role_arn: ${role.arn}
    external_id: ${role.externalId}
    endpoint: ${endpoint}
`;
}

async function daemonOn(endpoint: string): Promise<DaemonOnMoto> {
  await using world = motoWorld(endpoint);
  const keyArn = await world.createKey();
  const folder = await daemonFolder({
    extra: `trusted_endpoints: ["${endpoint}"]\naws: { sts_endpoint: "${endpoint}" }`,
    tenants: { 'acme.yaml': tenantFile(keyArn, endpoint) },
  });
  const env = { AWS_ACCESS_KEY_ID: identity.accessKeyId, AWS_SECRET_ACCESS_KEY: identity.secretAccessKey };
  return {
    keyArn,
    start: () => startDaemon({ ...folder.start, env }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe.skipIf(endpoint === undefined)('a daemon with a tenant on moto', () => {
  const official = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const stack = new AsyncDisposableStack();
  let daemon: Daemon;
  let keyring: KmsKeyringNode;

  beforeAll(async () => {
    const { keyArn, start } = stack.use(await daemonOn(endpoint ?? ''));
    daemon = stack.use(await start());
    const client = stack.adopt(new KMS({ region, endpoint: endpoint ?? '', credentials: identity }), (kms) => {
      kms.destroy();
    });
    // The two packages differ in how they write down a field that may be missing, and in nothing else.
    const clientProvider = (() => client) as KmsNodeClientSupplier;
    keyring = new KmsKeyringNode({ generatorKeyId: keyArn, clientProvider });
  });

  afterAll(() => stack.disposeAsync());

  it('opens after a restart what it encrypted and wrapped before', async () => {
    // A daemon of its own: the others' is in use meanwhile.
    await using own = await daemonOn(endpoint ?? '');
    const plaintext = sampleBytes(1000, 'before the restart');
    const before = await own.start();
    using writer = connect(before.socket);
    const { ciphertext } = await writer.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const made = await writer.call<{ plaintext: Buffer; wrapped_dek: Buffer }>('GenerateDEK', request);
    expect(await writer.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext });
    expect(await before.stop()).toBe(0);

    await using after = await own.start();
    using reader = connect(after.socket);
    expect(await reader.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext });
    const unwrapped = await reader.call('Unwrap', { ...request, wrapped_dek: made.wrapped_dek });
    expect(unwrapped).toMatchObject({ plaintext: made.plaintext, key: { provider: 'aws_kms', key_id: own.keyArn } });
  });

  it.each(sizes)('encrypts %i bytes that the official SDK opens with the customer’s key alone', async (size) => {
    using application = connect(daemon.tcp);
    const plaintext = sampleBytes(size, 'written by keyproxy');
    const { ciphertext } = await application.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const opened = await official.decrypt(keyring, ciphertext);
    expect(opened.plaintext.equals(plaintext)).toBe(true);
    expect({ ...opened.messageHeader.encryptionContext }).toEqual({ ...tenant, ...pairs });
  });

  it.each(sizes)('opens %i bytes that the official SDK encrypted', async (size) => {
    using application = connect(daemon.tcp);
    const plaintext = sampleBytes(size, 'written by the official SDK');
    const encryptionContext = { ...tenant, ...pairs };
    const { result: ciphertext } = await official.encrypt(keyring, plaintext, { encryptionContext });
    const opened = await application.call<{ plaintext: Buffer }>('Decrypt', { ...request, ciphertext });
    expect(opened.plaintext.equals(plaintext)).toBe(true);
    expect(opened).toMatchObject({ encryption_context: { ...tenant, ...pairs }, key: { provider: 'aws_kms' } });
  });
});
