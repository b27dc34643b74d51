/** Requests that no SDK sends, and what must never come out of the simulator. */
import { describe, expect, it } from 'vitest';
import { assumed, rawCall } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const target = (name: string) => ({ headers: { 'x-amz-target': `TrentService.${name}` } });

describe('KMS', () => {
  it.each([
    ['an operation that it does not have', { headers: { 'x-amz-target': 'TrentService.MakeCoffee' } }],
    ['the target of another service', { headers: { 'x-amz-target': 'DynamoDB_20120810.GetItem' } }],
    ['another content type', { headers: { 'content-type': 'application/json' } }],
    ['another path', { path: '/keys' }],
    ['another method', { method: 'PUT' }],
  ])('answers %s with UnknownOperationException', async (_name, request) => {
    await using aws = await startAwsSimulator();
    const answer = await rawCall(aws, request);
    expect([answer.code, answer.status]).toEqual(['UnknownOperationException', 400]);
  });

  it.each([
    ['a body that is not JSON', '{'],
    ['a body that is no object', '[]'],
    ['no body', ''],
    ['a number for a string', '{"KeyId":5}'],
  ])('answers %s with SerializationException', async (_name, body) => {
    await using aws = await startAwsSimulator();
    expect((await rawCall(aws, { body })).code).toBe('SerializationException');
  });

  it.each([
    ['DescribeKey', '{}', 'ValidationException'],
    ['DescribeKey', '{"KeyId":""}', 'ValidationException'],
    ['DescribeKey', '{"KeyId":"arn:aws:s3:::bucket"}', 'NotFoundException'],
    ['Decrypt', '{}', 'ValidationException'],
    ['Decrypt', '{"CiphertextBlob":"***"}', 'SerializationException'],
    ['Decrypt', '{"CiphertextBlob":"AAAA"}', 'InvalidCiphertextException'],
    ['Decrypt', '{"CiphertextBlob":"AAAA","EncryptionAlgorithm":"ROT13"}', 'ValidationException'],
    ['Decrypt', '{"CiphertextBlob":"AAAA","EncryptionContext":{"a":1}}', 'SerializationException'],
    ['Decrypt', '{"CiphertextBlob":"AAAA","EncryptionContext":["a"]}', 'SerializationException'],
    ['Decrypt', '{"CiphertextBlob":"AAAA","GrantTokens":["t"]}', 'InvalidGrantTokenException'],
    ['Decrypt', `{"CiphertextBlob":"${Buffer.alloc(6145).toString('base64')}"}`, 'ValidationException'],
    ['GenerateDataKey', '{"KeyId":"KEY","NumberOfBytes":"32"}', 'SerializationException'],
    ['GenerateDataKey', '{"KeyId":"KEY","KeySpec":"AES_512"}', 'ValidationException'],
    ['GenerateDataKey', '{"KeyId":"KEY","KeySpec":"AES_256","DryRun":"yes"}', 'SerializationException'],
    ['Encrypt', '{"KeyId":"KEY"}', 'ValidationException'],
  ])('answers %s with %s by %s', async (operation, body, code) => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const answer = await rawCall(aws, { body: body.replace('KEY', key.arn), ...target(operation) });
    expect([answer.code, answer.status]).toEqual([code, 400]);
  });

  it('leaves the message out where AWS has none', async () => {
    await using aws = await startAwsSimulator();
    const answer = await rawCall(aws, { body: '{"CiphertextBlob":"AAAA"}', ...target('Decrypt') });
    expect(JSON.parse(answer.text)).toEqual({ __type: 'InvalidCiphertextException' });
  });
});

describe('STS', () => {
  it.each([
    ['no action', 'Version=2011-06-15', 'MissingAction'],
    ['an unknown action', 'Action=GetCoffee&Version=2011-06-15', 'InvalidAction'],
    ['another version', 'Action=GetCallerIdentity&Version=2010-05-08', 'InvalidAction'],
    ['no version', 'Action=GetCallerIdentity', 'InvalidAction'],
    [
      'a role without a session name',
      'Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/x',
      'ValidationError',
    ],
    ['a session name without a role', 'Action=AssumeRole&Version=2011-06-15&RoleSessionName=me', 'ValidationError'],
    [
      'a duration that is no number',
      'Action=AssumeRole&Version=2011-06-15&RoleSessionName=me&RoleArn=arn:aws:iam::1:role/x&DurationSeconds=1e3',
      'ValidationError',
    ],
    [
      'session tags, which are not followed here',
      'Action=AssumeRole&Version=2011-06-15&RoleSessionName=me&RoleArn=arn:aws:iam::1:role/x&Tags.member.1.Key=a',
      'ValidationError',
    ],
  ])('answers %s in XML', async (_name, body, code) => {
    await using aws = await startAwsSimulator();
    const answer = await rawCall(aws, { service: 'sts', body });
    expect([answer.code, answer.status]).toEqual([code, 400]);
    expect(answer.text).toMatch(/^<ErrorResponse xmlns="https:\/\/sts\.amazonaws\.com\/doc\/2011-06-15\/">/);
    expect(answer.text).toContain(`<RequestId>${aws.calls.at(-1)?.requestId}</RequestId>`);
  });
});

describe('the simulator', () => {
  it('keeps every secret and plaintext out of its list of calls', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const role = aws.createRole({ name: 'r', trust: aws.trustFor({ principal: aws.platform.arn }) });
    const session = await assumed(aws, { role })();
    const plaintext = Buffer.from('a plaintext that nobody may see').toString('base64');
    const body = JSON.stringify({ KeyId: key.arn, Plaintext: plaintext });
    const answer = await rawCall(aws, { body, ...target('Encrypt') });
    expect(answer.status).toBe(200);
    const seen = JSON.stringify(aws.calls);
    const secrets = [aws.platform.secretAccessKey, session.secretAccessKey, session.sessionToken ?? '', plaintext];
    expect(aws.calls).toHaveLength(2);
    for (const secret of secrets) expect(seen.includes(secret)).toBe(false);
  });

  it('that fails itself says so when it closes, so that its failure never passes for an outage', async () => {
    const broken = () => {
      throw new Error('no time');
    };
    const aws = await startAwsSimulator({ clock: { now: broken } });
    await expect(rawCall(aws)).rejects.toThrow();
    await expect(aws[Symbol.asyncDispose]()).rejects.toThrow('the AWS simulator failed while it answered');
  });

  it('has another secret in every run', async () => {
    await using one = await startAwsSimulator();
    await using other = await startAwsSimulator();
    expect(one.platform.secretAccessKey).not.toBe(other.platform.secretAccessKey);
    const crossed = await rawCall(other, { credentials: one.platform });
    expect(crossed.code).toBe('UnrecognizedClientException');
  });
});
