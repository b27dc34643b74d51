/** The symmetric operations of the simulated KMS: what they bind, bound and refuse, through the official SDK. */
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  ReEncryptCommand,
} from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const context = { tenant_id: 'tenant_12345', purpose: 'orders' };

function bytes(value: Uint8Array | undefined): Buffer {
  if (value === undefined) throw new Error('the answer has no bytes');
  return Buffer.from(value);
}

describe('GenerateDataKey', () => {
  it('gives fresh bytes and a blob of realistic size that opens to them under the same context in any order', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const client = kmsClient(aws);
    const make = () =>
      client.send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256', EncryptionContext: context }));
    const [one, other] = [await make(), await make()];
    expect(bytes(one.Plaintext)).toHaveLength(32);
    expect(bytes(one.CiphertextBlob)).toHaveLength(184);
    expect(bytes(one.Plaintext)).not.toEqual(bytes(other.Plaintext));
    const reordered = { purpose: 'orders', tenant_id: 'tenant_12345' };
    const opened = await client.send(
      new DecryptCommand({ KeyId: key.arn, CiphertextBlob: one.CiphertextBlob, EncryptionContext: reordered }),
    );
    expect(bytes(opened.Plaintext)).toEqual(bytes(one.Plaintext));
    expect(opened).toMatchObject({
      KeyId: key.arn,
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      KeyMaterialId: one.KeyMaterialId,
    });
    expect(one.KeyMaterialId).toMatch(/^[0-9a-f]{64}$/);
    expect(aws.calls[0]).toMatchObject({ keyArn: key.arn, encryptionContext: context, outcome: 'ok' });
  });

  it('takes exactly one of KeySpec and NumberOfBytes, the latter from 1 to 1024', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const client = kmsClient(aws);
    for (const NumberOfBytes of [1, 64, 1024]) {
      const made = await client.send(new GenerateDataKeyCommand({ KeyId, NumberOfBytes }));
      expect(bytes(made.Plaintext)).toHaveLength(NumberOfBytes);
    }
    expect(
      bytes((await client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_128' }))).Plaintext),
    ).toHaveLength(16);
    for (const given of [
      {},
      { KeySpec: 'AES_256', NumberOfBytes: 32 },
      { NumberOfBytes: 0 },
      { NumberOfBytes: 1025 },
    ] as const) {
      const refused = await refusal(client.send(new GenerateDataKeyCommand({ KeyId, ...given })));
      expect([refused.name, refused.status]).toEqual(['ValidationException', 400]);
    }
  });

  it('without plaintext gives none, and a blob that opens', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const client = kmsClient(aws);
    const made = await client.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, KeySpec: 'AES_256' }));
    expect('Plaintext' in made).toBe(false);
    expect(
      bytes((await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }))).Plaintext),
    ).toHaveLength(32);
  });

  it.each(['RSA_2048', 'ECC_NIST_P256', 'HMAC_256'] as const)('under %s is InvalidKeyUsageException', async (spec) => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey({ spec });
    const refused = await refusal(kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })));
    expect([refused.name, refused.status]).toEqual(['InvalidKeyUsageException', 400]);
  });
});

describe('Decrypt', () => {
  it('of a blob with any byte changed, cut or added, or with another context, is InvalidCiphertextException', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const client = kmsClient(aws);
    const sealed = await client.send(
      new EncryptCommand({ KeyId, Plaintext: Buffer.from('x'), EncryptionContext: context }),
    );
    const blob = bytes(sealed.CiphertextBlob);
    const attempt = (CiphertextBlob: Buffer, EncryptionContext: Record<string, string> = context) =>
      refusal(client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext })));
    const changed = [...blob.keys()]
      .filter((at) => at % 8 === 0 || at === blob.length - 1)
      .map((at) => {
        const copy = Buffer.from(blob);
        copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
        return copy;
      });
    const bad = [...changed, blob.subarray(0, -1), blob.subarray(0, 20), Buffer.concat([blob, Buffer.of(0)])];
    const refusals = await Promise.all(bad.map((one) => attempt(one)));
    expect(new Set(refusals.map((one) => one.name))).toEqual(new Set(['InvalidCiphertextException']));
    for (const other of [
      {},
      { ...context, more: '' },
      { tenant_id: 'tenant_12345' },
      { ...context, purpose: 'Orders' },
    ]) {
      expect((await attempt(blob, other)).name).toBe('InvalidCiphertextException');
    }
  });

  it('with the id of another key is IncorrectKeyException', async () => {
    await using aws = await startAwsSimulator();
    const [one, other] = [aws.createKey(), aws.createKey()];
    const client = kmsClient(aws);
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: one.arn, Plaintext: Buffer.from('x') }));
    const refused = await refusal(client.send(new DecryptCommand({ KeyId: other.arn, CiphertextBlob })));
    expect([refused.name, refused.status]).toEqual(['IncorrectKeyException', 400]);
  });

  it('without a key id tells a stranger nothing about the key, deleted, foreign or of another region', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const { CiphertextBlob } = await kmsClient(aws).send(
      new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x') }),
    );
    const stranger = aws.createUser({ name: 'stranger', accountId: '999988887777' });
    const command = () => new DecryptCommand({ CiphertextBlob });
    const foreign = await refusal(kmsClient(aws, { credentials: stranger }).send(command()));
    const elsewhere = await refusal(kmsClient(aws, { region: 'eu-west-1' }).send(command()));
    key.remove();
    const deleted = await refusal(kmsClient(aws).send(command()));
    expect(foreign.name).toBe('AccessDeniedException');
    expect([elsewhere, deleted]).toEqual([foreign, foreign]);
  });

  it('opens what older material encrypted after a rotation, and tells which material it was', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const client = kmsClient(aws);
    const make = () => client.send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' }));
    const before = await make();
    key.rotate();
    const after = await make();
    expect(after.KeyMaterialId).not.toBe(before.KeyMaterialId);
    for (const made of [before, after]) {
      const opened = await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }));
      expect([bytes(opened.Plaintext), opened.KeyMaterialId]).toEqual([bytes(made.Plaintext), made.KeyMaterialId]);
    }
  });
});

describe('Encrypt', () => {
  it('takes 1 to 4,096 bytes and refuses none and 4,097', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const client = kmsClient(aws);
    const encrypt = (size: number) => client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(size, 7) }));
    const { CiphertextBlob } = await encrypt(4096);
    expect(bytes((await client.send(new DecryptCommand({ CiphertextBlob }))).Plaintext)).toEqual(Buffer.alloc(4096, 7));
    for (const size of [0, 4097]) expect((await refusal(encrypt(size))).name).toBe('ValidationException');
  });

  it('takes a context of 8,192 bytes and refuses a larger one', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const encrypt = (value: string) =>
      kmsClient(aws).send(new EncryptCommand({ KeyId, Plaintext: Buffer.of(1), EncryptionContext: { k: value } }));
    await encrypt('v'.repeat(8191));
    expect((await refusal(encrypt('v'.repeat(8192)))).name).toBe('ValidationException');
  });
});

describe('ReEncrypt', () => {
  it('moves a blob to another key and context inside the service, and tells both keys', async () => {
    await using aws = await startAwsSimulator();
    const [from, to] = [aws.createKey(), aws.createKey()];
    const client = kmsClient(aws);
    const made = await client.send(
      new GenerateDataKeyCommand({ KeyId: from.arn, KeySpec: 'AES_256', EncryptionContext: context }),
    );
    const request = {
      CiphertextBlob: made.CiphertextBlob,
      DestinationKeyId: to.arn,
      DestinationEncryptionContext: { now: 'here' },
    };
    const moved = await client.send(
      new ReEncryptCommand({ ...request, SourceKeyId: from.arn, SourceEncryptionContext: context }),
    );
    expect(moved).toMatchObject({ SourceKeyId: from.arn, KeyId: to.arn, SourceKeyMaterialId: made.KeyMaterialId });
    const opened = await client.send(
      new DecryptCommand({ KeyId: to.arn, CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { now: 'here' } }),
    );
    expect(bytes(opened.Plaintext)).toEqual(bytes(made.Plaintext));
    const wrongSource = await refusal(
      client.send(new ReEncryptCommand({ ...request, SourceKeyId: to.arn, SourceEncryptionContext: context })),
    );
    const wrongContext = await refusal(client.send(new ReEncryptCommand({ ...request, SourceKeyId: from.arn })));
    expect([wrongSource.name, wrongContext.name]).toEqual(['IncorrectKeyException', 'InvalidCiphertextException']);
  });
});

describe('a dry run', () => {
  it('is DryRunOperationException exactly when the call would have succeeded', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const client = kmsClient(aws);
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x') }));
    const probe = async (EncryptionContext: Record<string, string>) =>
      (await refusal(client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext, DryRun: true })))).name;
    expect(await probe({})).toBe('DryRunOperationException');
    expect(await probe({ other: 'x' })).toBe('InvalidCiphertextException');
    key.disable();
    expect(await probe({})).toBe('DisabledException');
  });
});
