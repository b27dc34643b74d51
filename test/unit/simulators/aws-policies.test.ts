/** Key policies as AWS evaluates them: the platform's documents with their two samples first. */
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
import { assumed, kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';

const customer = '111122223333';
const serviceRole = 'arn:aws:iam::123456789012:role/ascend-byok-service';

const root = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${customer}:root` }, Action: 'kms:*', Resource: '*' };

function platformStatement(more: object = {}): object {
  const actions = ['Encrypt', 'Decrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'DescribeKey'];
  return {
    Sid: 'Allow ASCEND to use this key for BYOK encryption',
    Effect: 'Allow',
    Principal: { AWS: serviceRole },
    Action: actions.map((name) => `kms:${name}`),
    Resource: '*',
    ...more,
  };
}

function policy(...statements: object[]): object {
  return { Version: '2012-10-17', Statement: statements };
}

/** A client with the role that the customer's policy names as the platform's. */
function asServiceRole(aws: AwsSimulator, permissions?: object): KMSClient {
  const trust = aws.trustFor({ principal: aws.platform.arn });
  const role = aws.createRole({ name: 'ascend-byok-service', trust, ...(permissions && { permissions }) });
  return kmsClient(aws, { credentials: assumed(aws, { role }) });
}

async function outcomes(client: KMSClient, KeyId: string, EncryptionContext: Record<string, string> = {}) {
  const Plaintext = Buffer.from('probe');
  const blob = Buffer.from('AQICAHg=', 'base64');
  const calls = {
    Encrypt: client.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext })),
    Decrypt: client.send(new DecryptCommand({ KeyId, CiphertextBlob: blob, EncryptionContext })),
    GenerateDataKey: client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext })),
    GenerateDataKeyWithoutPlaintext: client.send(
      new GenerateDataKeyWithoutPlaintextCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext }),
    ),
    DescribeKey: client.send(new DescribeKeyCommand({ KeyId })),
  };
  const settled = await Promise.allSettled(Object.values(calls));
  // The probe's blob never opens: an InvalidCiphertextException says that the policy let it through.
  const open = ['ok', 'InvalidCiphertextException'];
  const names = settled.map((one) => (one.status === 'fulfilled' ? 'ok' : String(one.reason.name)));
  return Object.fromEntries(
    Object.keys(calls).map((name, i) => [name, open.includes(names[i] ?? '') ? 'allowed' : names[i]]),
  );
}

const denied = 'AccessDeniedException';
const all = (verdict: string): Record<string, string> => ({
  Encrypt: verdict,
  Decrypt: verdict,
  GenerateDataKey: verdict,
  GenerateDataKeyWithoutPlaintext: verdict,
  DescribeKey: verdict,
});

describe('a key policy', () => {
  it('that names the platform role, as the setup guide has it, lets the role do the five operations and no other', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: customer, policy: policy(root, platformStatement()) });
    const client = asServiceRole(aws);
    expect(await outcomes(client, key.arn)).toEqual(all('allowed'));
    const { CiphertextBlob } = await client.send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' }));
    const again = await refusal(client.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: key.arn })));
    expect([again.name, again.status]).toEqual([denied, 400]);
  });

  it('that wants kms:ViaService, as the setup guide also has it, never lets a direct call in', async () => {
    await using aws = await startAwsSimulator();
    const condition = { Condition: { StringEquals: { 'kms:ViaService': 'secretsmanager.us-east-2.amazonaws.com' } } };
    const key = aws.createKey({ accountId: customer, policy: policy(root, platformStatement(condition)) });
    expect(await outcomes(asServiceRole(aws), key.arn)).toEqual(all(denied));
  });

  it('that grants Decrypt, GenerateDataKey and CreateGrant, as the other guide has it, refuses the rest', async () => {
    await using aws = await startAwsSimulator();
    const actions = { Action: ['kms:Decrypt', 'kms:GenerateDataKey', 'kms:CreateGrant'] };
    const key = aws.createKey({ accountId: customer, policy: policy(root, platformStatement(actions)) });
    expect(await outcomes(asServiceRole(aws), key.arn)).toEqual({
      ...all(denied),
      Decrypt: 'allowed',
      GenerateDataKey: 'allowed',
    });
  });

  it('across accounts is not enough when the role own permissions do not reach the key', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: customer, policy: policy(root, platformStatement()) });
    const permissions = policy({ Effect: 'Allow', Action: 'kms:Decrypt', Resource: 'arn:aws:kms:*:*:key/*' });
    expect(await outcomes(asServiceRole(aws, permissions), key.arn)).toEqual({ ...all(denied), Decrypt: 'allowed' });
  });

  it('that knows nobody of another account refuses it, whatever that account allows its own', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: customer });
    const message = (await refusal(kmsClient(aws).send(new DescribeKeyCommand({ KeyId: key.arn })))).message;
    expect(message).toBe(
      `User: ${aws.platform.arn} is not authorized to perform: kms:DescribeKey on resource: ${key.arn} because no resource-based policy allows the kms:DescribeKey action`,
    );
  });

  it('of the account root leaves the decision to each identity own permissions', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const permissions = policy({ Effect: 'Allow', Action: ['kms:D*'], Resource: [key.arn] });
    const user = aws.createUser({ name: 'reader', permissions });
    const verdicts = await outcomes(kmsClient(aws, { credentials: user }), key.arn);
    expect(verdicts).toEqual({ ...all(denied), Decrypt: 'allowed', DescribeKey: 'allowed' });
  });

  it('that names a user of its own account needs no permission of the user beside it', async () => {
    await using aws = await startAwsSimulator();
    const user = aws.createUser({
      name: 'plain',
      permissions: policy({ Effect: 'Allow', Action: 's3:*', Resource: '*' }),
    });
    const own = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:*', Resource: '*' };
    const key = aws.createKey({ policy: policy(own) });
    expect(await outcomes(kmsClient(aws, { credentials: user }), key.arn)).toEqual(all('allowed'));
    expect(await outcomes(kmsClient(aws), key.arn)).toEqual(all(denied));
  });

  it('denies whom a Deny covers, however much else allows', async () => {
    await using aws = await startAwsSimulator();
    const deny = { Effect: 'Deny', Principal: '*', NotAction: 'kms:DescribeKey', Resource: '*' };
    const key = aws.createKey({ policy: policy({ ...root, Principal: { AWS: '123456789012' } }, deny) });
    expect(await outcomes(kmsClient(aws), key.arn)).toEqual({ ...all(denied), DescribeKey: 'allowed' });
    const message = (
      await refusal(kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' })))
    ).message;
    expect(message).toContain('with an explicit deny in a resource-based policy');
  });

  it('takes effect from the next call on', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    expect(await outcomes(kmsClient(aws), key.arn)).toEqual(all('allowed'));
    key.setPolicy(policy(root));
    expect(await outcomes(kmsClient(aws), key.arn)).toEqual(all(denied));
  });

  it.each([
    ['an operator', { DateLessThan: { 'aws:PrincipalArn': 'x' } }],
    ['a key', { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } }],
    ['a variable', { StringEquals: { 'aws:PrincipalArn': ['$', '{aws:username}'].join('') } }],
  ])('with %s that is not evaluated here is refused when it is set, not misread later', async (_name, Condition) => {
    await using aws = await startAwsSimulator();
    expect(() => aws.createKey({ policy: policy({ ...root, Condition }) })).toThrow(/not evaluated here/);
  });
});

describe('a key policy for sessions', () => {
  it('that names the session itself is not narrowed by the session policy, as one that names the role is', async () => {
    await using aws = await startAwsSimulator();
    const trust = aws.trustFor({ principal: aws.platform.arn });
    const role = aws.createRole({ name: 'narrow', trust });
    const sessionArn = 'arn:aws:sts::123456789012:assumed-role/narrow/session-1';
    const narrow = JSON.stringify(policy({ Effect: 'Allow', Action: 'KMS:describekey', Resource: '*' }));
    const credentials = assumed(aws, { role, sessionName: 'session-1', policy: narrow });
    const client = kmsClient(aws, { credentials });
    const allowing = (arn: string) => policy({ ...root, Principal: { AWS: arn } });
    const [bySession, byRole] = [sessionArn, role.arn].map((arn) => aws.createKey({ policy: allowing(arn) }).arn);
    expect(await outcomes(client, bySession ?? '')).toEqual(all('allowed'));
    expect(await outcomes(client, byRole ?? '')).toEqual({ ...all(denied), DescribeKey: 'allowed' });
  });
});

describe('a condition on the encryption context', () => {
  const own = { Effect: 'Allow', Principal: { AWS: '123456789012' }, Action: 'kms:*', Resource: '*' };
  const cases: readonly [string, object, Record<string, string>, boolean][] = [
    ['a pair, and the pair', { StringEquals: { 'kms:EncryptionContext:tenant_id': 't1' } }, { tenant_id: 't1' }, true],
    [
      'a pair, and another value',
      { StringEquals: { 'kms:EncryptionContext:tenant_id': 't1' } },
      { tenant_id: 't2' },
      false,
    ],
    ['a pair, and no context', { StringEquals: { 'kms:EncryptionContext:tenant_id': 't1' } }, {}, false],
    [
      'a pair whose name differs in case',
      { StringEquals: { 'kms:EncryptionContext:Tenant_ID': 't1' } },
      { tenant_id: 't1' },
      true,
    ],
    [
      'a pair, and a name in another case',
      { StringEquals: { 'kms:EncryptionContext:tenant_id': 't1' } },
      { Tenant_ID: 't1' },
      true,
    ],
    ['a pattern', { StringLike: { 'kms:EncryptionContext:tenant_id': 't?' } }, { tenant_id: 't1' }, true],
    [
      'only some names, and these',
      { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['a', 'b'] } },
      { a: '1' },
      true,
    ],
    [
      'only some names, and one more',
      { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['a'] } },
      { a: '1', c: '2' },
      false,
    ],
    [
      'only some names, and no context',
      { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['a'] } },
      {},
      true,
    ],
    [
      'some name among others',
      { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'a' } },
      { a: '1', c: '2' },
      true,
    ],
    ['some name, and no context', { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'a' } }, {}, false],
    [
      'a name in its exact case',
      { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'A' } },
      { a: '1' },
      false,
    ],
    ['a pair if it is there, and it is not', { StringEqualsIfExists: { 'kms:EncryptionContext:a': '1' } }, {}, true],
    ['any context at all', { Null: { 'kms:EncryptionContextKeys': 'false' } }, {}, false],
  ];

  it.each(cases)('on %s, decides as AWS does', async (_name, Condition, context, allowed) => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ policy: policy({ ...own, Action: 'kms:Encrypt', Condition }) });
    const { Encrypt } = await outcomes(kmsClient(aws), key.arn, context);
    expect(Encrypt).toBe(allowed ? 'allowed' : denied);
  });
});
