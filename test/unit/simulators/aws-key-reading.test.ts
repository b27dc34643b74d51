/** What a key's owner set up besides its material: stores of its own, replicas, rotation, and who may read the policy. */
import { createHash } from 'node:crypto';
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
} from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { assumed, kmsClient, movableClock, rawCall, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const keyId = 'mrk-1234abcd12ab34cd56ef1234567890ab';
const dayMs = 86_400_000;

describe('a key in a custom key store', () => {
  it.each([
    ['disconnected', 'Unavailable'],
    ['timed-out', 'Enabled'],
    ['unreachable', 'Enabled'],
    ['denied-by-key-manager', 'Enabled'],
  ] as const)('whose store is %s fails with one code, and is described as %s', async (condition, state) => {
    await using aws = await startAwsSimulator();
    const store = aws.createKeyStore('EXTERNAL_KEY_STORE');
    const { arn: KeyId } = aws.createKey({ store });
    const client = kmsClient(aws);
    const generate = () => client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }));
    await generate();
    store.condition = condition;
    expect((await refusal(generate())).name).toBe('KMSInvalidStateException');
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata).toMatchObject({ KeyState: state, Origin: 'EXTERNAL_KEY_STORE', CustomKeyStoreId: store.id });
    store.condition = 'connected';
    await generate();
  });

  it('is disabled and deleted like any other, whatever its store does', async () => {
    await using aws = await startAwsSimulator();
    const store = aws.createKeyStore('AWS_CLOUDHSM');
    const key = aws.createKey({ store });
    store.condition = 'disconnected';
    key.disable();
    const call = kmsClient(aws).send(new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x') }));
    expect((await refusal(call)).name).toBe('DisabledException');
  });

  it('is symmetric and of one region', async () => {
    await using aws = await startAwsSimulator();
    const store = aws.createKeyStore('AWS_CLOUDHSM');
    expect(() => aws.createKey({ store, spec: 'RSA_2048' })).toThrow(TypeError);
    expect(() => aws.createKey({ store, keyId })).toThrow(TypeError);
  });
});

describe('a multi-Region key', () => {
  it('with RSA opens in every region what one of them encrypted', async () => {
    await using aws = await startAwsSimulator();
    const primary = aws.createKey({ keyId, spec: 'RSA_2048' });
    const replica = primary.replicate('eu-west-1');
    const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256';
    const { CiphertextBlob } = await kmsClient(aws).send(
      new EncryptCommand({ KeyId: primary.arn, Plaintext: Buffer.from('x'), EncryptionAlgorithm }),
    );
    const there = kmsClient(aws, { region: 'eu-west-1' });
    const opened = await there.send(new DecryptCommand({ KeyId: replica.arn, CiphertextBlob, EncryptionAlgorithm }));
    expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('x');
  });

  it('that is the primary waits for its replicas before it waits for its own deletion', async () => {
    const clock = movableClock(Date.now());
    await using aws = await startAwsSimulator({ clock });
    const primary = aws.createKey({ keyId });
    const replica = primary.replicate('eu-west-1');
    const stateOf = async () => {
      const { KeyMetadata } = await kmsClient(aws).send(new DescribeKeyCommand({ KeyId: primary.arn }));
      return KeyMetadata?.KeyState;
    };
    primary.scheduleDeletion(7);
    expect(await stateOf()).toBe('PendingReplicaDeletion');
    replica.remove();
    expect(await stateOf()).toBe('PendingDeletion');
    clock.advance(7 * dayMs);
    const gone = await rawCall(aws, { body: JSON.stringify({ KeyId: primary.arn }), at: clock.now() });
    expect(gone.code).toBe('NotFoundException');
  });

  it('is what only a key of that kind can be made into', async () => {
    await using aws = await startAwsSimulator();
    expect(() => aws.createKey().replicate('eu-west-1')).toThrow(TypeError);
    aws.createKey({ keyId });
    expect(() => aws.createKey({ keyId, region: 'eu-west-1', spec: 'RSA_2048' })).toThrow(TypeError);
  });
});

describe('GetKeyPolicy', () => {
  it('gives the policy as it was written, in the key’s own account alone', async () => {
    await using aws = await startAwsSimulator();
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Sid: 'all', Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' }],
    });
    const own = aws.createKey({ policy });
    const foreign = aws.createKey({ policy, accountId: '111122223333' });
    const read = (KeyId: string) => kmsClient(aws).send(new GetKeyPolicyCommand({ KeyId }));
    expect(await read(own.arn)).toMatchObject({ Policy: policy, PolicyName: 'default' });
    expect((await refusal(read(foreign.arn))).name).toBe('NotFoundException');
  });
});

describe('GetKeyRotationStatus', () => {
  it('tells how often a symmetric key rotates, across accounts too, and is not for other keys', async () => {
    await using aws = await startAwsSimulator();
    const Statement = [{ Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' }];
    const key = aws.createKey({ accountId: '111122223333', policy: { Version: '2012-10-17', Statement } });
    const read = (KeyId: string) => kmsClient(aws).send(new GetKeyRotationStatusCommand({ KeyId }));
    expect((await read(key.arn)).KeyRotationEnabled).toBe(false);
    key.setRotation(180);
    expect(await read(key.arn)).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 180 });
    expect(() => key.setRotation(89)).toThrow(RangeError);
    const rsa = aws.createKey({ spec: 'RSA_2048' });
    expect((await refusal(read(rsa.arn))).name).toBe('UnsupportedOperationException');
  });
});

describe('a session policy', () => {
  const statement = (Sid: string) => ({ Sid, Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' });
  const policyWith = (Sid: string) => JSON.stringify({ Version: '2012-10-17', Statement: [statement(Sid)] });

  it('that is too large once packed is refused, however few its characters', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'any', trust: aws.trustFor({ principal: aws.platform.arn }) });
    // Digests have no repeats, so this does not pack.
    const noise = Array.from({ length: 43 }, (_, i) => createHash('sha256').update(`${i}`).digest('base64url')).join(
      '',
    );
    await assumed(aws, { role, policy: policyWith('short') })();
    const refused = await refusal(assumed(aws, { role, policy: policyWith(noise) })());
    expect([refused.name.replace('Exception', ''), refused.status]).toEqual(['PackedPolicyTooLarge', 400]);
  });

  it('that is longer than 2,048 characters is a ValidationError', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'any', trust: aws.trustFor({ principal: aws.platform.arn }) });
    const refused = await refusal(assumed(aws, { role, policy: policyWith('a'.repeat(2048)) })());
    expect([refused.name, refused.status]).toEqual(['ValidationError', 400]);
  });
});
