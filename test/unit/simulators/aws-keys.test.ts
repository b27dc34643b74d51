/** How a key is named and found: ARN, id, alias, account, region, and several regions at once. */
import { DecryptCommand, DescribeKeyCommand, EncryptCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

function bytes(value: Uint8Array | undefined): Buffer {
  if (value === undefined) throw new Error('the answer has no bytes');
  return Buffer.from(value);
}

describe('a key', () => {
  it('is found by ARN, id, alias and alias ARN, and answers with its ARN to all of them', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    key.setAlias('alias/prod-byok');
    for (const KeyId of [key.arn, key.keyId, 'alias/prod-byok', 'arn:aws:kms:us-east-1:123456789012:alias/prod-byok']) {
      const made = await kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }));
      expect(made.KeyId).toBe(key.arn);
    }
    const none = await refusal(kmsClient(aws).send(new DescribeKeyCommand({ KeyId: 'alias/none' })));
    expect([none.name, none.status]).toEqual(['NotFoundException', 400]);
  });

  it('of the documents, with nine digits and a short id, works like any other', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: '123456789', keyId: 'abc-123' });
    expect(key.arn).toBe('arn:aws:kms:us-east-1:123456789:key/abc-123');
    const user = aws.createUser({ name: 'owner', accountId: '123456789' });
    const client = kmsClient(aws, { credentials: user });
    const made = await client.send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' }));
    expect(made.KeyId).toBe(key.arn);
  });

  it('is unknown in every region but its own', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ region: 'eu-central-1' });
    const describeIn = (region: string) => kmsClient(aws, { region }).send(new DescribeKeyCommand({ KeyId: key.arn }));
    expect((await describeIn('eu-central-1')).KeyMetadata?.Arn).toBe(key.arn);
    const elsewhere = await refusal(describeIn('us-east-1'));
    expect([elsewhere.name, elsewhere.status]).toEqual(['NotFoundException', 400]);
  });

  it('of several regions opens in each of them, and is disabled in one alone', async () => {
    await using aws = await startAwsSimulator();
    const keyId = 'mrk-1234abcd12ab34cd56ef1234567890ab';
    const primary = aws.createKey({ keyId });
    const replica = aws.createKey({ keyId, region: 'eu-west-1' });
    const { CiphertextBlob } = await kmsClient(aws).send(
      new EncryptCommand({ KeyId: primary.arn, Plaintext: Buffer.from('x') }),
    );
    primary.disable();
    const there = kmsClient(aws, { region: 'eu-west-1' });
    const opened = await there.send(new DecryptCommand({ KeyId: replica.arn, CiphertextBlob }));
    expect([bytes(opened.Plaintext).toString(), opened.KeyId]).toEqual(['x', replica.arn]);
    const described = await there.send(new DescribeKeyCommand({ KeyId: replica.arn }));
    expect(described.KeyMetadata?.MultiRegionConfiguration).toMatchObject({
      MultiRegionKeyType: 'REPLICA',
      PrimaryKey: { Arn: primary.arn, Region: 'us-east-1' },
    });
    expect((await refusal(kmsClient(aws).send(new DecryptCommand({ CiphertextBlob })))).name).toBe('DisabledException');
  });
});
