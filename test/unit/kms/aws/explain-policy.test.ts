/** What a key policy means for keyproxy, told from its text alone, and told the same as the simulated AWS decides. */
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
} from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainPolicyText } from '../../../../src/kms/aws/policy-text.ts';
import { customerAccount, guidePolicy } from '../../../contract/aws-key-policies.ts';
import { kmsClient } from '../../../simulators/aws/clients.ts';
import { type AwsSimulator, startAwsSimulator } from '../../../simulators/aws/server.ts';

const role = 'arn:aws:iam::123456789012:role/byok-service';
const keyArn = `arn:aws:kms:us-east-1:${customerAccount}:key/abc-123`;
const operations = ['GenerateDataKey', 'Decrypt', 'Encrypt', 'DescribeKey'];

function explain(policy: string | object, question: { principalArn?: string; isBehindRole?: boolean } = {}) {
  const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
  const meaning = explainPolicyText(text, {
    principalArn: role,
    keyArn,
    tenantId: 'acme',
    isBehindRole: true,
    ...question,
  });
  if (meaning.kind !== 'findings') throw new Error(JSON.stringify(meaning));
  return meaning.findings;
}

function verdicts(policy: string | object, question = {}): string[] {
  return explain(policy, question).map(({ verdict }) => verdict);
}

function allow(more: object = {}): object {
  return { Sid: 'Allow keyproxy', Effect: 'Allow', Principal: { AWS: role }, Action: 'kms:*', Resource: '*', ...more };
}

function policy(...Statement: object[]): object {
  return { Version: '2012-10-17', Statement };
}

describe('the policies of the guides', () => {
  it('that the setup guide applies lets keyproxy do all it does', () => {
    const principalArn = 'arn:aws:iam::123456789012:role/ascend-byok-service';
    expect(verdicts(guidePolicy('setup-guide'), { principalArn })).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it('of the implementation guide lets it serve, and names what lacks and the statement to add it to', () => {
    const findings = explain(guidePolicy('implementation-guide'));
    expect(findings.map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'warning', 'warning']);
    expect(findings[2]?.advice).toMatch(
      /^add kms:Encrypt to statement "Allow Platform Service"; .*Rewrap, key rotation/,
    );
    expect(findings[3]?.advice).toMatch(/^add kms:DescribeKey to statement "Allow Platform Service"; .*RSA keys/);
  });

  it('with kms:ViaService lets it do nothing, and that condition is named', () => {
    const principalArn = 'arn:aws:iam::123456789012:role/ascend-byok-service';
    const findings = explain(guidePolicy('setup-guide-via-service'), { principalArn });
    expect(findings.map(({ verdict }) => verdict)).toEqual(['failed', 'failed', 'warning', 'warning']);
    for (const { advice } of findings) {
      expect(advice).toContain('statement "Allow ASCEND to use this key for BYOK encryption"');
      expect(advice).toMatch(/condition on kms:ViaService.*remove that condition/);
    }
  });
});

describe('an explanation', () => {
  it.each([
    [
      'nobody is named',
      policy(allow({ Principal: { AWS: 'arn:aws:iam::123456789012:role/other' } })),
      'no statement allows it to',
    ],
    ['another key is named', policy(allow({ Resource: `${keyArn}4` })), 'add kms:GenerateDataKey to'],
    ['a statement denies it', policy(allow(), allow({ Sid: 'Never', Effect: 'Deny' })), 'statement "Never" denies it'],
    [
      'a denial is for all of the account',
      policy(allow(), allow({ Sid: 'No', Effect: 'Deny', Principal: { AWS: '123456789012' } })),
      '"No" denies',
    ],
    [
      'direct calls are denied',
      policy(allow(), allow({ Sid: 'Via', Effect: 'Deny', Condition: { StringNotEquals: { 'kms:ViaService': 'x' } } })),
      'statement "Via" denies it',
    ],
    [
      'another caller account is demanded',
      policy(allow({ Condition: { StringEquals: { 'kms:CallerAccount': customerAccount } } })),
      'kms:CallerAccount',
    ],
    [
      'a statement has no name',
      policy(allow({ Sid: undefined, Action: ['kms:Encrypt'] })),
      'add kms:GenerateDataKey to statement 1',
    ],
    ['a name cannot be printed', policy(allow({ Sid: 'a\u001b[31m', Action: ['kms:Encrypt'] })), 'to statement 1'],
  ])('where %s says so', (_, document, part) => {
    const [first] = explain(document);
    expect(first).toMatchObject({ verdict: 'failed', advice: expect.stringContaining(part) });
  });

  it.each([
    ['an account', { AWS: 'arn:aws:iam::123456789012:root' }],
    ['the number of an account', { AWS: '123456789012' }],
  ])('where %s is named says that its own policies decide', (_, Principal) => {
    const [first] = explain(policy(allow({ Principal })));
    expect(first).toMatchObject({
      verdict: 'ok',
      advice: expect.stringContaining('leaves it to account 123456789012'),
    });
  });

  it.each([
    ['StringNotEquals on an absent key', { StringNotEquals: { 'kms:ViaService': 'a' } }],
    ['Null on an absent key', { Null: { 'kms:ViaService': 'true' } }],
    ['IfExists', { StringEqualsIfExists: { 'KMS:viaservice': 'a' } }],
    ['ForAllValues on an absent key', { 'ForAllValues:StringEquals': { 'kms:ViaService': ['a'] } }],
    ['the account of the caller', { StringEquals: { 'kms:CallerAccount': '123456789012' } }],
    ['the name of the caller', { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/byok-*' } }],
    ['the region', { StringEquals: { 'aws:RequestedRegion': ['eu-west-1', 'us-east-1'] } }],
    ['TLS', { Bool: { 'aws:SecureTransport': true } }],
  ])('takes a condition of %s for fulfilled', (_, Condition) => {
    expect(verdicts(policy(allow({ Condition })))).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it.each([
    ['a source that is not known here', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, 'aws:SourceIp'],
    ['a variable', { StringEquals: { 'aws:PrincipalArn': '\u0024{aws:x}' } }, 'aws:PrincipalArn'],
    [
      'names of context pairs',
      { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['a'] } },
      'kms:EncryptionContextKeys',
    ],
  ])('warns of %s, which it cannot judge', (_, Condition, key) => {
    const findings = explain(policy(allow({ Condition })));
    for (const finding of findings)
      expect(finding).toMatchObject({ verdict: 'warning', advice: expect.stringContaining(key) });
  });

  it('tells that a call without a context fails where the statement demands the tenant in it', () => {
    const Condition = { StringEquals: { 'kms:EncryptionContext:tenant_id': 'acme' } };
    const findings = explain(policy(allow({ Condition })));
    expect(findings.map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok', 'warning']);
    expect(findings[3]?.advice).toContain('no encryption context');
  });

  it('warns, where no role stands in front, of a key that works for any tenant, and not of one that is bound', () => {
    const question = { isBehindRole: false };
    const bound = allow({ Condition: { StringEquals: { 'kms:EncryptionContext:tenant_id': 'acme' } } });
    expect(explain(policy(bound), question).at(-1)).toMatchObject({
      verdict: 'ok',
      step: expect.stringContaining('tenant_id'),
    });
    expect(explain(policy(allow()), question).at(-1)).toMatchObject({
      verdict: 'warning',
      advice: expect.stringContaining('kms:GenerateDataKey and kms:Decrypt work for any tenant_id'),
    });
    const foreign = allow({ Condition: { StringEquals: { 'kms:EncryptionContext:tenant_id': 'another' } } });
    expect(verdicts(policy(foreign), question)).toEqual(['failed', 'failed', 'warning', 'warning']);
  });

  it('takes a session of the role for the role', () => {
    const principalArn = 'arn:aws:sts::123456789012:assumed-role/byok-service/i-0123';
    expect(verdicts(policy(allow()), { principalArn })).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(verdicts(policy(allow({ Principal: { AWS: principalArn } })), { principalArn })[0]).toBe('ok');
  });
});

describe('a text that is no key policy', () => {
  it.each([
    ['not json', 'is not JSON'],
    ['[]', 'is not a policy'],
    ['null', 'is not a policy'],
    ['{}', 'has no "Statement"'],
    ['{"Statement":[]}', 'has no "Statement"'],
    ['{"Statement":["x"]}', 'statement 1 is not an object'],
    ['{"Statement":{"Effect":"Maybe","Principal":"*","Action":"*","Resource":"*"}}', 'statement 1 needs "Effect"'],
    ['{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', 'statement 1 needs a "Principal"'],
    ['{"Statement":{"Effect":"Allow","Principal":"arn","Action":"*","Resource":"*"}}', 'of the form'],
    ['{"Statement":{"Effect":"Allow","Principal":"*","Resource":"*"}}', 'needs "Action" or "NotAction"'],
    ['{"Statement":{"Effect":"Allow","Principal":"*","Action":[],"Resource":"*"}}', 'empty "Action"'],
    ['{"Statement":{"Effect":"Allow","Principal":"*","Action":[{}],"Resource":"*"}}', 'something else than strings'],
    ['{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":[]}}', '"Condition"'],
    [
      '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":1}}}',
      '"Condition"',
    ],
  ])('is answered with what is wrong: %s', (text, part) => {
    const meaning = explainPolicyText(text, { principalArn: role, keyArn, tenantId: 'acme', isBehindRole: true });
    expect(meaning).toMatchObject({ kind: 'unusable', problems: [expect.stringContaining(part)] });
  });

  it('is answered with all that is wrong at once', () => {
    const text = '{"Statement":[{"Effect":"x","Principal":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}]}';
    const meaning = explainPolicyText(text, { principalArn: role, keyArn, tenantId: 'acme', isBehindRole: true });
    expect(meaning).toMatchObject({ kind: 'unusable', problems: { length: 4 } });
  });

  it.each([
    '',
    'byok-service',
    'arn:aws:iam::1:role/x',
    'arn:aws:iam::123456789012:root',
    'arn:aws:sts::123456789012:x',
  ])('is not looked at for a principal that is none (%s)', (principalArn) => {
    const question = { principalArn, keyArn, tenantId: 'acme', isBehindRole: true };
    expect(explainPolicyText('{}', question).kind).toBe('unknown-principal');
  });
});

describe('an explanation agrees with what AWS decides', () => {
  let aws: AwsSimulator;
  beforeAll(async () => {
    aws = await startAwsSimulator();
  });
  afterAll(() => aws[Symbol.asyncDispose]());

  const conditions: readonly object[] = [
    {},
    { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } },
    { StringNotEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } },
    { StringLikeIfExists: { 'kms:ViaService': 's3.*' } },
    { 'ForAnyValue:StringEquals': { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } },
    { Null: { 'kms:ViaService': 'false' } },
    { StringEquals: { 'kms:CallerAccount': '123456789012' } },
    { StringEquals: { 'kms:CallerAccount': customerAccount } },
    { ArnNotLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/byok-*' } },
    { StringEqualsIgnoreCase: { 'kms:EncryptionContext:tenant_id': 'ACME' } },
    { StringNotEquals: { 'kms:EncryptionContext:tenant_id': 'acme' } },
  ];
  const shapes: readonly object[] = [
    {},
    { Action: ['kms:Decrypt', 'kms:GenerateDataKey*'] },
    { Action: 'KMS:d*' },
    { Action: undefined, NotAction: 'kms:Decrypt' },
    { Principal: '*' },
    { Principal: { AWS: [`arn:aws:iam::${customerAccount}:root`, role] } },
    { Principal: { AWS: `arn:aws:iam::${customerAccount}:root` } },
    { Resource: undefined, NotResource: '*' },
  ];
  const cases = conditions.flatMap((Condition) => shapes.map((shape) => ({ ...shape, Condition })));

  it.each(['Allow', 'Deny'])('on every statement with the effect %s', async (effect) => {
    const trust = aws.trustFor({ principal: aws.platform.arn });
    const { session, remove } = aws.createRole({ name: 'byok-service', trust });
    const client = kmsClient(aws, { credentials: session({ name: 'x', seconds: 900 }) });
    let seen = 0;
    for (const given of cases) {
      const document = effect === 'Allow' ? policy(allow(given)) : policy(allow(), allow({ ...given, Effect: 'Deny' }));
      const key = aws.createKey({ accountId: customerAccount, policy: document });
      const told = explain(document).map(({ verdict, advice }) => verdict === 'ok' && advice === undefined);
      expect([given, told]).toEqual([given, await decided(client, key.arn)]);
      seen += told.length;
    }
    expect(seen).toBe(cases.length * operations.length);
    remove();
  });
});

/** Whether AWS lets each operation through. */
async function decided(client: KMSClient, KeyId: string): Promise<boolean[]> {
  const EncryptionContext = { tenant_id: 'acme' };
  const calls = [
    client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext })),
    client.send(new DecryptCommand({ KeyId, CiphertextBlob: Buffer.from('AQICAHg=', 'base64'), EncryptionContext })),
    client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x'), EncryptionContext })),
    client.send(new DescribeKeyCommand({ KeyId })),
  ];
  const settled = await Promise.allSettled<unknown>(calls);
  return settled.map((one) => one.status === 'fulfilled' || one.reason.name === 'InvalidCiphertextException');
}
