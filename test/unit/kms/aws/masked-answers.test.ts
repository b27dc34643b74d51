/** The SDK's own client, whose answers lose their data keys before it reads them, and have them again after. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { DecryptCommand, DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { maskAnswers } from '../../../../src/kms/aws/masked-answers.ts';

/** A client of a service that answers with these pieces of a body. */
function clientOf(pieces: readonly Buffer[], statusCode = 200): KMSClient {
  const client = new KMSClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    maxAttempts: 1,
    requestHandler: {
      handle: async () => ({ response: { statusCode, headers: {}, body: Readable.from(pieces) } }),
    },
  });
  maskAnswers(client);
  return client;
}

const command = () => new DecryptCommand({ CiphertextBlob: Buffer.from('x') });
const keyId = 'arn:aws:kms:us-east-1:123456789012:key/k';

function answerWith(plaintext: string): Buffer {
  return Buffer.from(JSON.stringify({ KeyId: keyId, Plaintext: plaintext, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }));
}

describe('an answer with a data key', () => {
  it('comes out whole, and the pieces that it came in are overwritten', async () => {
    const secret = randomBytes(32);
    const body = answerWith(secret.toString('base64'));
    for (const cut of [0, 1, 80, 90, body.length - 1]) {
      const pieces = [Buffer.from(body.subarray(0, cut)), Buffer.from(body.subarray(cut))];
      const answer = await clientOf(pieces).send(command());
      expect(answer).toMatchObject({ KeyId: keyId, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
      expect(Buffer.from(answer.Plaintext ?? [])).toEqual(secret);
      for (const piece of pieces) expect(piece.every((byte) => byte === 0)).toBe(true);
    }
  });

  it('lies in memory of its own, which a wipe reaches', async () => {
    const answer = await clientOf([answerWith(randomBytes(32).toString('base64'))]).send(command());
    expect(answer.Plaintext?.buffer.byteLength).toBe(32);
  });

  it('has none where what stands for it is no base64', async () => {
    for (const odd of ['AAA', 'not base64!!', '\u00e4\u00e4\u00e4\u00e4']) {
      const answer = await clientOf([answerWith(odd)]).send(command());
      expect(answer.Plaintext).toBeUndefined();
    }
  });
});

describe('another answer', () => {
  it('is read by the SDK as it came', async () => {
    const body = Buffer.from(JSON.stringify({ KeyMetadata: { KeyId: keyId, KeyState: 'Enabled' } }));
    const answer = await clientOf([body]).send(new DescribeKeyCommand({ KeyId: keyId }));
    expect(answer.KeyMetadata).toEqual({ KeyId: keyId, KeyState: 'Enabled' });
  });

  it('fails as it would without', async () => {
    await expect(clientOf([Buffer.from('<html>a proxy</html>')]).send(command())).rejects.toThrow(SyntaxError);
    const refusal = Buffer.from(JSON.stringify({ __type: 'DisabledException', message: 'no' }));
    await expect(clientOf([refusal], 400).send(command())).rejects.toMatchObject({ name: 'DisabledException' });
    await expect(clientOf([]).send(command())).resolves.not.toHaveProperty('Plaintext');
  });
});
