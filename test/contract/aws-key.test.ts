/** What is particular to a key of AWS KMS: what goes over the wire, what is learned of the key, who else can read. */
import {
  AlgorithmSuiteIdentifier,
  KmsKeyringNode,
  type KmsNodeClientSupplier,
  NodeAlgorithmSuite,
  NodeDecryptionMaterial,
  EncryptedDataKey as OfficialEntry,
  unwrapDataKey,
} from '@aws-crypto/client-node';
import { KMS } from '@aws-sdk/client-kms';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { openAwsKey } from '../../src/kms/aws/open.ts';
import { withRetries } from '../../src/kms/retry.ts';
import { AwsWorld } from './aws-world.ts';
import { context, failureOf, never } from './calls.ts';

const request = { length: 32, context, signal: never };
const rsa = { kind: 'RSA_2048' };

afterEach(() => vi.unstubAllEnvs());

describe('an entry that says it was wrapped another way than it was', () => {
  it.each([
    ['symmetric', {}, 'keyproxy-aws-kms-rsa'],
    ['RSA', rsa, 'aws-kms'],
  ])('is a fault of the data under a %s key, since its key never changes its kind', async (_, kind, providerId) => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey(kind);
    const { entry } = await key.service.generate(request);
    const turned = { ...entry, providerId: Buffer.from(providerId) };
    expect(key.service.owns(turned)).toBe(true);
    const { fault } = await failureOf(key.service.unwrap({ entry: turned, context, signal: never }));
    expect(fault).toEqual({ kind: 'data' });
  });
});

describe('a symmetric key of AWS KMS', () => {
  it('sends the whole context with every call, where the customer’s log shows it', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { plaintext, entry } = await key.service.generate(request);
    await key.service.wrap({ plaintext, context, signal: never });
    await key.service.unwrap({ entry, context, signal: never });
    for (const operation of ['GenerateDataKey', 'Encrypt', 'Decrypt']) {
      const calls = world.aws.calls.filter((call) => call.operation === operation);
      expect(calls.map((call) => call.encryptionContext)).toEqual([{ tenant_id: 'acme', purpose: 'orders' }]);
    }
  });

  it('is described once, and not at all for reading', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    await Promise.all(Array.from({ length: 10 }, () => key.service.generate(request)));
    const { entry } = await key.service.generate(request);
    expect(world.aws.count('DescribeKey')).toBe(1);
    await using reader = world.open(key.owned, {});
    await reader.unwrap({ entry, context, signal: never });
    expect(world.aws.count('DescribeKey')).toBe(1);
  });

  it('works where DescribeKey is denied', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const fault = { kind: 'error', code: 'AccessDeniedException', status: 400 } as const;
    world.aws.faults.add({ operation: 'DescribeKey', fault });
    const { entry } = await key.service.generate(request);
    expect(entry.providerId.toString()).toBe('aws-kms');
  });

  it('is described by its exact state where its own error could be an external key store in trouble', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { entry } = await key.service.generate(request);
    key.owned.scheduleDeletion();
    const { fault, details } = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true });
    const answer = world.aws.calls.find((call) => call.outcome === 'KMSInvalidStateException');
    expect(details).toMatchObject({ operation: 'Decrypt', requestId: answer?.requestId });
  });

  it('opens what it wrapped before its material was rotated', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { plaintext, entry } = await key.service.generate(request);
    key.owned.rotate();
    using unwrapped = await key.service.unwrap({ entry, context, signal: never });
    expect(unwrapped.reveal()).toEqual(plaintext.reveal());
  });

  it('is read by the official AWS KMS key ring, with nothing of keyproxy', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { plaintext, entry } = await key.service.generate(request);
    const { endpoint, platform } = world.aws;
    const client = new KMS({ region: 'us-east-1', endpoint, credentials: platform });
    // The two packages differ in how they write down a field that may be missing, and in nothing else.
    const clientProvider = (() => client) as KmsNodeClientSupplier;
    const official = new KmsKeyringNode({ keyIds: [key.owned.arn], clientProvider });
    const suite = new NodeAlgorithmSuite(AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY);
    const material = await official.onDecrypt(new NodeDecryptionMaterial(suite, Object.fromEntries(context.pairs)), [
      new OfficialEntry({
        providerId: entry.providerId.toString(),
        providerInfo: entry.providerInfo.toString(),
        encryptedDataKey: entry.ciphertext,
      }),
    ]);
    expect(Buffer.from(unwrapDataKey(material.getUnencryptedDataKey()))).toEqual(plaintext.reveal());
    client.destroy();
  });

  it.each(['__proto__', 'constructor', 'toString'])('binds a pair of the name %s', async (name) => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const pairs = (value: string) => EncryptionContext.of([[name, value]]);
    const { entry } = await key.service.generate({ ...request, context: pairs('a') });
    await key.service.unwrap({ entry, context: pairs('a'), signal: never });
    const other = key.service.unwrap({ entry, context: pairs('b'), signal: never });
    expect((await failureOf(other)).fault).toEqual({ kind: 'data' });
  });
});

describe('an RSA key of AWS KMS', () => {
  it('wraps what keyproxy made, and sends no context', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey(rsa);
    const { entry } = await key.service.generate(request);
    await key.service.unwrap({ entry, context, signal: never });
    expect(world.aws.count('GenerateDataKey')).toBe(0);
    expect(world.aws.calls.map((call) => call.operation)).toEqual(['DescribeKey', 'Encrypt', 'Decrypt']);
    for (const call of world.aws.calls) expect(call.encryptionContext ?? {}).toEqual({});
  });

  it('marks its entries with a name that no official key ring takes for its own', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey(rsa);
    const { entry } = await key.service.generate(request);
    expect(entry.providerId.toString()).toBe('keyproxy-aws-kms-rsa');
    expect(entry.providerInfo.toString()).toBe(key.owned.arn);
    expect(entry.ciphertext).toHaveLength(256);
  });

  it('is unsuitable while DescribeKey is denied, and serves as soon as it is allowed', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey(rsa);
    const fault = { kind: 'error', code: 'AccessDeniedException', status: 400 } as const;
    const denial = world.aws.faults.add({ operation: 'DescribeKey', fault });
    expect((await failureOf(key.service.generate(request))).fault).toMatchObject({ reason: 'KEY_UNSUITABLE' });
    denial.remove();
    await key.service.generate(request);
  });

  it('for signatures is unsuitable', async () => {
    await using world = await AwsWorld.start();
    const owned = world.aws.createKey({ spec: 'RSA_2048', usage: 'SIGN_VERIFY' });
    await using service = world.open(owned, {});
    expect((await failureOf(service.generate(request))).fault).toEqual({ kind: 'config', reason: 'KEY_UNSUITABLE' });
  });
});

describe('the name of a key of AWS KMS', () => {
  it('has to be the key’s own ARN: an alias that leads to a key is a fault of the configuration', async () => {
    await using world = await AwsWorld.start();
    const owned = world.aws.createKey();
    owned.setAlias('alias/orders');
    const arn = owned.arn.replace(/key\/.*/, 'alias/orders');
    await using service = world.open({ ...owned, arn }, {});
    const expected = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
    expect((await failureOf(service.generate(request))).fault).toEqual(expected);
  });
});

describe('the endpoint of AWS KMS', () => {
  it.each(['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL'])('is taken from %s where none is configured', async (name) => {
    await using world = await AwsWorld.start();
    vi.stubEnv(name, world.aws.endpoint);
    const { arn: keyArn, region } = world.aws.createKey();
    const { clock, credentials } = world;
    const runtime = { clock, credentials, tenantId: 'acme', timeoutMs: 10_000 };
    await using service = openAwsKey({ provider: 'aws_kms', keyArn, region }, runtime);
    await service.generate(request);
    expect(world.aws.count('GenerateDataKey', { keyArn })).toBe(1);
  });
});

describe('a key of AWS KMS with retries', () => {
  it.each([
    { name: 'throttling', fault: { kind: 'throttle' } as const },
    { name: 'a reset connection', fault: { kind: 'reset' } as const },
    { name: 'a page of a proxy', fault: { kind: 'html', status: 502 } as const },
    {
      name: 'a custom key store that is in trouble',
      fault: { kind: 'error', code: 'KMSInvalidStateException', status: 400 } as const,
    },
  ])('gets over $name', async ({ fault }) => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { clock } = world;
    await using service = withRetries(key.service, { clock, random: () => 0.1, timeoutMs: 2_000 });
    const { entry } = await service.generate(request);
    world.aws.faults.add({ operation: 'Decrypt', times: 2, fault });
    await service.unwrap({ entry, context, signal: never });
    expect(world.aws.count('Decrypt')).toBe(3);
  });

  it('waits as long as Retry-After says', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { clock } = world;
    await using service = withRetries(key.service, { clock, random: () => 0, timeoutMs: 2_000 });
    await service.generate(request);
    world.aws.faults.add({ operation: 'GenerateDataKey', times: 1, fault: { kind: 'throttle', retryAfterSeconds: 1 } });
    const start = performance.now();
    await service.generate(request);
    expect(performance.now() - start).toBeGreaterThan(950);
  });

  it('asks a key that refuses no second time', async () => {
    await using world = await AwsWorld.start();
    await using key = await world.openKey();
    const { clock } = world;
    await using service = withRetries(key.service, { clock, random: () => 0, timeoutMs: 2_000 });
    const { entry } = await service.generate(request);
    key.owned.disable();
    await failureOf(service.unwrap({ entry, context, signal: never }));
    expect(world.aws.count('Decrypt')).toBe(1);
  });
});
