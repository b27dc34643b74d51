/** RSA keys of the simulated KMS: real OAEP with the bounds of each modulus, and the public key for everybody. */
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { DecryptCommand, EncryptCommand, GetPublicKeyCommand } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const context = { tenant_id: 'tenant_12345', purpose: 'orders' };

function bytes(value: Uint8Array | undefined): Buffer {
  if (value === undefined) throw new Error('the answer has no bytes');
  return Buffer.from(value);
}

describe('Encrypt', () => {
  it.each([
    ['RSA_2048', 'RSAES_OAEP_SHA_256', 190],
    ['RSA_2048', 'RSAES_OAEP_SHA_1', 214],
    ['RSA_3072', 'RSAES_OAEP_SHA_256', 318],
  ] as const)('under %s with %s takes %i bytes and not one more', async (spec, EncryptionAlgorithm, longest) => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey({ spec });
    const client = kmsClient(aws);
    const encrypt = (size: number) =>
      client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(size, 9), EncryptionAlgorithm }));
    const sealed = await encrypt(longest);
    const opened = await client.send(
      new DecryptCommand({ KeyId, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm }),
    );
    expect(bytes(opened.Plaintext)).toEqual(Buffer.alloc(longest, 9));
    expect(opened).toMatchObject({ KeyId, EncryptionAlgorithm });
    expect(opened.KeyMaterialId).toBeUndefined();
    expect((await refusal(encrypt(longest + 1))).name).toBe('ValidationException');
  });

  it('under RSA needs the algorithm, takes no context, and its blob needs the key id', async () => {
    await using aws = await startAwsSimulator();
    const [key, other] = [aws.createKey({ spec: 'RSA_2048' }), aws.createKey({ spec: 'RSA_2048' })];
    const client = kmsClient(aws);
    const request = { KeyId: key.arn, Plaintext: Buffer.from('x') };
    const rsa = { EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const;
    const { CiphertextBlob } = await client.send(new EncryptCommand({ ...request, ...rsa }));
    const failures = {
      noAlgorithm: client.send(new EncryptCommand(request)),
      context: client.send(new EncryptCommand({ ...request, ...rsa, EncryptionContext: context })),
      noKeyId: client.send(new DecryptCommand({ CiphertextBlob, ...rsa })),
      otherKey: client.send(new DecryptCommand({ CiphertextBlob, ...rsa, KeyId: other.arn })),
      otherPadding: client.send(
        new DecryptCommand({ CiphertextBlob, KeyId: key.arn, EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' }),
      ),
    };
    const names = await Promise.all(Object.values(failures).map(async (call) => (await refusal(call)).name));
    expect(Object.fromEntries(Object.keys(failures).map((name, i) => [name, names[i]]))).toEqual({
      noAlgorithm: 'InvalidKeyUsageException',
      context: 'ValidationException',
      noKeyId: 'ValidationException',
      otherKey: 'InvalidCiphertextException',
      otherPadding: 'InvalidCiphertextException',
    });
  });

  it('with an RSA key that signs, or with an RSA algorithm under a symmetric key, is InvalidKeyUsageException', async () => {
    await using aws = await startAwsSimulator();
    const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256';
    for (const key of [aws.createKey({ spec: 'RSA_2048', usage: 'SIGN_VERIFY' }), aws.createKey()]) {
      const command = new EncryptCommand({ KeyId: key.arn, Plaintext: Buffer.from('x'), EncryptionAlgorithm });
      expect((await refusal(kmsClient(aws).send(command))).name).toBe('InvalidKeyUsageException');
    }
  });
});

describe('GetPublicKey', () => {
  it('gives the key with which anybody encrypts for the key service', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey({ spec: 'RSA_2048' });
    const client = kmsClient(aws);
    const { PublicKey, KeySpec, EncryptionAlgorithms } = await client.send(new GetPublicKeyCommand({ KeyId }));
    expect([KeySpec, EncryptionAlgorithms]).toEqual(['RSA_2048', ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256']]);
    const key = createPublicKey({ key: bytes(PublicKey), format: 'der', type: 'spki' });
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const CiphertextBlob = publicEncrypt({ key, padding, oaepHash: 'sha256' }, Buffer.from('local'));
    const command = new DecryptCommand({ KeyId, CiphertextBlob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' });
    expect(bytes((await client.send(command)).Plaintext).toString()).toBe('local');
  });

  it('of a symmetric key is UnsupportedOperationException', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    expect((await refusal(kmsClient(aws).send(new GetPublicKeyCommand({ KeyId })))).name).toBe(
      'UnsupportedOperationException',
    );
  });
});
