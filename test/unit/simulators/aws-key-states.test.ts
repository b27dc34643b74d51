/** What each key state does to each operation: the table of the KMS developer guide, "Key states of AWS KMS keys". */
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  type KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { kmsClient, movableClock, rawCall, refusal } from '../../simulators/aws/clients.ts';
import type { KeyState } from '../../simulators/aws/keys.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const effects: readonly (readonly [KeyState, string])[] = [
  ['Enabled', 'ok'],
  ['Updating', 'ok'],
  ['Disabled', 'DisabledException'],
  ['Creating', 'KMSInvalidStateException'],
  ['PendingDeletion', 'KMSInvalidStateException'],
  ['PendingImport', 'KMSInvalidStateException'],
  ['PendingReplicaDeletion', 'KMSInvalidStateException'],
  ['Unavailable', 'KMSInvalidStateException'],
];

const day = 86_400_000;

function operations(client: KMSClient, KeyId: string, CiphertextBlob: Uint8Array | undefined) {
  const spec = { KeyId, KeySpec: 'AES_256' } as const;
  return {
    GenerateDataKey: () => client.send(new GenerateDataKeyCommand(spec)),
    GenerateDataKeyWithoutPlaintext: () => client.send(new GenerateDataKeyWithoutPlaintextCommand(spec)),
    Encrypt: () => client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })),
    Decrypt: () => client.send(new DecryptCommand({ KeyId, CiphertextBlob })),
    DecryptWithoutKeyId: () => client.send(new DecryptCommand({ CiphertextBlob })),
    ReEncrypt: () => client.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: KeyId })),
  };
}

describe('a key in the state', () => {
  it.each(effects)('%s answers cryptographic operations with %s, and DescribeKey always', async (state, effect) => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const client = kmsClient(aws);
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x') }));
    key.setState(state);
    for (const [name, call] of Object.entries(operations(client, key.arn, CiphertextBlob))) {
      const outcome = effect === 'ok' ? await call().then(() => 'ok') : (await refusal(call())).name;
      expect([name, outcome]).toEqual([name, effect]);
    }
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: key.arn }));
    expect([KeyMetadata?.KeyState, KeyMetadata?.Enabled]).toEqual([state, state === 'Enabled']);
  });

  it('Disabled says so in JSON 1.1 with status 400, the type, a message and a request id', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    key.disable();
    const body = JSON.stringify({ KeyId: key.arn, KeySpec: 'AES_256' });
    const answer = await rawCall(aws, { body, headers: { 'x-amz-target': 'TrentService.GenerateDataKey' } });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/x-amz-json-1.1');
    expect(answer.headers.get('x-amzn-requestid')).toBe(aws.calls.at(-1)?.requestId);
    expect(JSON.parse(answer.text)).toEqual({ __type: 'DisabledException', message: `${key.arn} is disabled.` });
  });
});

describe('a key', () => {
  it('that is disabled and enabled again works again', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const generate = () => kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' }));
    key.disable();
    expect((await refusal(generate())).name).toBe('DisabledException');
    key.enable();
    await generate();
  });

  it('that is to be deleted tells when, comes back disabled, and is gone for good when the time is over', async () => {
    const clock = movableClock();
    await using aws = await startAwsSimulator({ clock });
    const key = aws.createKey();
    const describeKey = async () => {
      const body = JSON.stringify({ KeyId: key.arn });
      const answer = await rawCall(aws, { body, at: clock.now() });
      return answer.code === '' ? JSON.parse(answer.text).KeyMetadata : answer.code;
    };
    key.scheduleDeletion(7);
    expect(await describeKey()).toMatchObject({
      KeyState: 'PendingDeletion',
      DeletionDate: (clock.now() + 7 * day) / 1000,
    });
    key.cancelDeletion();
    expect(await describeKey()).toMatchObject({ KeyState: 'Disabled' });
    key.scheduleDeletion(7);
    clock.advance(7 * day);
    expect(await describeKey()).toBe('NotFoundException');
    expect(() => key.scheduleDeletion(6)).toThrow(RangeError);
  });

  it('that was removed is NotFoundException, and a new key of its id does not open what it made', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ keyId: 'abc-123' });
    const client = kmsClient(aws);
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x') }));
    const decrypt = () => refusal(client.send(new DecryptCommand({ KeyId: key.arn, CiphertextBlob })));
    key.remove();
    expect((await decrypt()).name).toBe('NotFoundException');
    aws.createKey({ keyId: 'abc-123' });
    expect((await decrypt()).name).toBe('IncorrectKeyException');
  });

  it('whose caller is not allowed says so before it tells its state', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: '111122223333' });
    key.disable();
    const call = kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' }));
    expect((await refusal(call)).name).toBe('AccessDeniedException');
  });
});
