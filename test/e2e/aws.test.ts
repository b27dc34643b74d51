/** The main job on real input: an application's data under its customer's AWS key, over both real wire protocols. */
import { hostname } from 'node:os';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getClient,
  KMS,
  KmsKeyringNode,
} from '@aws-crypto/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsFolder, customerRole, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';

const externalId = 'keyproxy-5d1f0e7a';
const context = { purpose: 'orders' };

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

let aws: AwsSimulator;
let keys: Record<'behind-role' | 'direct' | 'rsa' | 'foreign', SimulatedKey>;
let role: SimulatedRole;
let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;

beforeAll(async () => {
  aws = await startAwsSimulator();
  role = customerRole(aws, 'byok-access', externalId);
  keys = {
    'behind-role': aws.createKey(),
    direct: aws.createKey(),
    rsa: aws.createKey({ spec: 'RSA_2048' }),
    foreign: aws.createKey(),
  };
  folder = await awsFolder(aws, [
    { id: 'behind-role', keyArn: keys['behind-role'].arn, role: { arn: role.arn, externalId } },
    { id: 'direct', keyArn: keys.direct.arn },
    { id: 'rsa', keyArn: keys.rsa.arn },
    { id: 'foreign', keyArn: keys.foreign.arn, more: '  decrypt: { foreign: true }' },
  ]);
  daemon = await startAwsDaemon(aws, folder);
  client = connect(daemon.socket);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

describe.each(['behind-role', 'direct', 'rsa'] as const)('the tenant %s', (tenant_id) => {
  test('encrypts and decrypts, generates and unwraps, and is told its key', async () => {
    const request = { tenant_id, encryption_context: context };
    const plaintext = Buffer.from(`a record of ${tenant_id}`);
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const key = { provider: 'aws_kms', key_id: keys[tenant_id].arn };
    expect(await client.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext, key });
    for (const source of ['DEK_SOURCE_DERIVED', 'DEK_SOURCE_KMS']) {
      const made = await client.call<Made>('GenerateDEK', { ...request, source });
      expect(made.plaintext).toHaveLength(32);
      expect(await client.call('Unwrap', { ...request, wrapped_dek: made.wrapped_dek })).toMatchObject({
        plaintext: made.plaintext,
        key,
        needs_rewrap: false,
      });
    }
  });
});

test("the customer's audit log shows the session's name with tenant and node, and the whole context", async () => {
  const purpose = 'seen by the customer';
  await client.call('Encrypt', {
    tenant_id: 'behind-role',
    encryption_context: { purpose },
    plaintext: Buffer.from('x'),
  });
  const assumed = aws.calls.filter((call) => call.operation === 'AssumeRole' && call.outcome === 'ok');
  expect(assumed.length).toBeGreaterThan(0);
  const node = hostname()
    .replace(/[^A-Za-z0-9_+=,.@-]/g, '-')
    .slice(0, 12);
  for (const call of assumed) expect(call.roleSessionName).toMatch(new RegExp(`^keyproxy-behind-role-${node}`));
  const made = aws.calls.filter((call) => call.encryptionContext?.['purpose'] === purpose);
  expect(made).toHaveLength(1);
  expect(made[0]).toMatchObject({
    operation: 'GenerateDataKey',
    keyArn: keys['behind-role'].arn,
    encryptionContext: { purpose, tenant_id: 'behind-role' },
    roleSessionName: assumed[0]?.roleSessionName,
  });
});

describe('a daemon that starts again', () => {
  test('opens what its predecessor wrote, with one call to the key service for each key', async () => {
    await using first = await startAwsDaemon(aws, folder);
    using before = connect(first.tcp);
    const request = { tenant_id: 'direct', encryption_context: { purpose: 'restart' } };
    const records = Array.from({ length: 20 }, (_, index) => Buffer.from(`record ${index}`));
    const written = await Promise.all(
      records.map((plaintext) => before.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext })),
    );
    expect(await first.stop()).toBe(0);

    await using second = await startAwsDaemon(aws, folder);
    using after = connect(second.tcp);
    const calls = aws.count('Decrypt', { keyArn: keys.direct.arn });
    for (const [index, { ciphertext }] of written.entries()) {
      expect(await after.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext: records[index] });
    }
    expect(aws.count('Decrypt', { keyArn: keys.direct.arn }) - calls).toBe(1);
  });
});

test('1,000 concurrent Unwraps of one cold wrapped DEK are one call to the key service', async () => {
  const request = { tenant_id: 'behind-role', encryption_context: { purpose: 'stampede' } };
  const made = await client.call<Made>('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS' });
  await using cold = await startAwsDaemon(aws, folder);
  using caller = connect(cold.tcp);
  // The tenant's connection and session are warm, its data key is not.
  await caller.call('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS' });
  const latency = aws.faults.add({ operation: 'Decrypt', fault: { kind: 'latency', ms: 200 } });
  const calls = aws.count('Decrypt');
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () => caller.call<Made>('Unwrap', { ...request, wrapped_dek: made.wrapped_dek })),
  );
  latency.remove();
  expect(answers.filter((answer) => answer.plaintext.equals(made.plaintext))).toHaveLength(1000);
  expect(aws.count('Decrypt') - calls).toBe(1);
});

describe('the official SDK and keyproxy read each other', () => {
  const sdk = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const sizes = [0, 1, 4096, 65_535, 65_536, 65_537, 1 << 20];
  const keyring = (key: SimulatedKey) => {
    const { accessKeyId, secretAccessKey } = aws.platform;
    // The SDK's own types do not fit each other under exactOptionalPropertyTypes.
    const clientProvider = getClient(KMS as never, {
      endpoint: aws.endpoint,
      credentials: { accessKeyId, secretAccessKey },
    });
    return new KmsKeyringNode({ generatorKeyId: key.arn, clientProvider });
  };
  const sample = (size: number) => Buffer.alloc(size, `record of ${size} bytes `);

  test.each(sizes)('the SDK decrypts the %i bytes that keyproxy encrypted', async (size) => {
    const request = { tenant_id: 'direct', encryption_context: context };
    for (const associated of [{}, { associated_data: Buffer.from('row 17') }]) {
      const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', {
        ...request,
        ...associated,
        plaintext: sample(size),
      });
      const { plaintext, messageHeader } = await sdk.decrypt(keyring(keys.direct), ciphertext);
      expect(plaintext.equals(sample(size))).toBe(true);
      expect(messageHeader.encryptionContext).toMatchObject({ ...context, tenant_id: 'direct' });
    }
  });

  test.each(sizes)('keyproxy decrypts the %i bytes that the SDK encrypted', async (size) => {
    for (const suiteId of [
      AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
      AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384,
    ]) {
      const options = { encryptionContext: context, suiteId };
      const { result } = await sdk.encrypt(keyring(keys.foreign), sample(size), options);
      const opened = await client.call<{ plaintext: Buffer; encryption_context: object }>('Decrypt', {
        tenant_id: 'foreign',
        encryption_context: context,
        ciphertext: result,
      });
      expect(opened.plaintext.equals(sample(size))).toBe(true);
      expect(opened.encryption_context).toEqual(context);
    }
  });

  test("a tenant that has not asked for it does not open the SDK's messages, its own key's neither", async () => {
    const { result } = await sdk.encrypt(keyring(keys.direct), sample(10), { encryptionContext: context });
    const error = await client.error('Decrypt', { tenant_id: 'direct', ciphertext: result });
    expect(error.details).toBe('decryption failed');
  });
});
