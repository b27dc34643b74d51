/** Related multi-Region keys: one material under several names, each with a state, a policy and a no of its own. */
import {
  AlgorithmSuiteIdentifier,
  buildAwsKmsMrkAwareStrictMultiKeyringNode,
  NodeAlgorithmSuite,
  NodeDecryptionMaterial,
  EncryptedDataKey as OfficialEntry,
  unwrapDataKey,
} from '@aws-crypto/client-node';
import { KMS } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { AwsWorld } from './aws-world.ts';
import { context, expectDataFault, failureOf, never, run, warmed } from './calls.ts';

const keyId = 'mrk-1234abcd12ab34cd56ef1234567890ab';
const request = { length: 32, context, signal: never };

function renamed(entry: EncryptedDataKey, name: string): EncryptedDataKey {
  return { ...entry, providerInfo: Buffer.from(name) };
}

describe('a multi-Region key', () => {
  it.each(['SYMMETRIC_DEFAULT', 'RSA_2048'] as const)(
    'opens what a related %s key wrapped, asked by its own name',
    async (spec) => {
      await using world = await AwsWorld.start();
      const primary = world.aws.createKey({ keyId, spec });
      const replica = primary.replicate('eu-west-1');
      await using here = world.open(primary, {});
      await using there = world.open(replica, {});
      for (const [writer, reader, owned] of [
        [here, there, replica],
        [there, here, primary],
      ] as const) {
        const { plaintext, entry } = await writer.generate(request);
        expect(entry.providerInfo.toString()).toBe(writer.keyId);
        expect(reader.owns(entry)).toBe(true);
        using opened = await reader.unwrap({ entry, context, signal: never });
        expect(opened.reveal().equals(plaintext.reveal())).toBe(true);
        expect(world.aws.calls.at(-1)).toMatchObject({ operation: 'Decrypt', keyArn: owned.arn });
        expect(reader.describe(entry)).toEqual({ provider: 'aws_kms', keyId: owned.arn, keyVersion: '' });
      }
    },
  );

  it('refuses by itself: disabling or closing it in one region leaves the others as they are', async () => {
    await using world = await AwsWorld.start();
    const primary = world.aws.createKey({ keyId });
    const replica = primary.replicate('eu-west-1');
    await using here = world.open(primary, {});
    await using there = world.open(replica, {});
    const entry = await warmed(here);
    primary.disable();
    await run('unwrap', there, { entry, signal: never });
    const disabled = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
    expect((await failureOf(run('unwrap', here, { entry, signal: never }))).fault).toEqual(disabled);
    primary.enable();
    const Statement = [{ Effect: 'Deny', Principal: '*', Action: 'kms:Decrypt', Resource: '*' }];
    replica.setPolicy({ Version: '2012-10-17', Statement });
    await run('unwrap', here, { entry, signal: never });
    const denied = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
    expect((await failureOf(run('unwrap', there, { entry, signal: never }))).fault).toEqual(denied);
  });

  it('opens nothing of a key that only has a related name', async () => {
    await using world = await AwsWorld.start();
    await using own = world.open(world.aws.createKey({ keyId, region: 'us-west-2' }), {});
    const stranger = world.aws.createKey({ keyId: 'mrk-ffffffffffffffffffffffffffffffff', region: 'eu-west-1' });
    await using strange = world.open(stranger, {});
    const entry = await warmed(strange);
    expect(own.owns(entry)).toBe(false);
    const disguised = renamed(entry, own.keyId.replace('us-west-2', 'eu-west-1'));
    expect(own.owns(disguised)).toBe(true);
    await expectDataFault(own, disguised);
  });

  it.each([
    ['another account', (arn: string) => arn.replace(':123456789012:', ':999999999999:')],
    ['another partition', (arn: string) => arn.replace('arn:aws:', 'arn:aws-cn:')],
    ['another id', (arn: string) => `${arn}0`],
    ['no region', (arn: string) => arn.replace(':us-east-1:', '::')],
    ['more than a region', (arn: string) => arn.replace(':us-east-1:', ':us-east-1:1:')],
    ['a region with bytes that no region has', (arn: string) => arn.replace('us-east-1', 'us-eäst-1')],
    ['an alias', (arn: string) => arn.replace(':key/', ':alias/')],
    ['a name before it', (arn: string) => `x${arn}`],
  ])('does not know a name with %s', async (_, change) => {
    await using world = await AwsWorld.start();
    await using service = world.open(world.aws.createKey({ keyId }), {});
    const entry = await warmed(service);
    expect(service.owns(entry)).toBe(true);
    expect(service.owns(renamed(entry, service.keyId.replace('us-east-1', 'sa-east-1')))).toBe(true);
    expect(service.owns(renamed(entry, change(service.keyId)))).toBe(false);
  });

  it('is read and written by the official key ring that knows related keys', async () => {
    await using world = await AwsWorld.start();
    const primary = world.aws.createKey({ keyId });
    const replica = primary.replicate('eu-west-1');
    await using here = world.open(primary, {});
    const { plaintext, entry } = await here.generate(request);
    const { endpoint, platform: credentials } = world.aws;
    const clientProvider = (region: string) => new KMS({ region, endpoint, credentials }) as never;
    const official = buildAwsKmsMrkAwareStrictMultiKeyringNode({ generatorKeyId: replica.arn, clientProvider });
    const suite = new NodeAlgorithmSuite(AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY);
    const pairs = Object.fromEntries(context.pairs);
    const material = await official.onDecrypt(new NodeDecryptionMaterial(suite, pairs), [
      new OfficialEntry({
        providerId: entry.providerId.toString(),
        providerInfo: entry.providerInfo.toString(),
        encryptedDataKey: entry.ciphertext,
      }),
    ]);
    expect(Buffer.from(unwrapDataKey(material.getUnencryptedDataKey()))).toEqual(plaintext.reveal());
    expect(world.aws.calls.at(-1)).toMatchObject({ operation: 'Decrypt', keyArn: replica.arn });
  });
});

describe('a key of one region', () => {
  it('knows its own name alone, whatever region another name has', async () => {
    await using world = await AwsWorld.start();
    await using service = world.open(world.aws.createKey(), {});
    const entry = await warmed(service);
    expect(service.owns(entry)).toBe(true);
    expect(service.owns(renamed(entry, service.keyId.replace('us-east-1', 'eu-west-1')))).toBe(false);
  });

  it('opens in no other region, even for somebody who asks there with its bytes', async () => {
    await using world = await AwsWorld.start();
    const owned = world.aws.createKey();
    await using service = world.open(owned, {});
    const entry = await warmed(service);
    const elsewhere = world.aws.createKey({ region: 'eu-west-1', keyId: owned.keyId });
    await using other = world.open(elsewhere, {});
    await expectDataFault(other, renamed(entry, elsewhere.arn));
  });
});
