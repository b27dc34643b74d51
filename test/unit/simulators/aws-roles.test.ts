/** AssumeRole as STS has it: trust, external ids, names, durations, chaining and session policies. */
import { DescribeKeyCommand, EncryptCommand } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { assumed, kmsClient, movableClock, rawCall, refusal } from '../../simulators/aws/clients.ts';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';

const customer = '111122223333';
const externalId = 'unique-external-id-12345';

function customerRole(aws: AwsSimulator, name = 'byok-access') {
  const trust = aws.trustFor({ principal: aws.platform.arn, externalId });
  return aws.createRole({ name, accountId: customer, trust });
}

function statement(condition: object): object {
  const principal = { AWS: 'arn:aws:iam::123456789012:root' };
  const allow = { Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', Condition: condition };
  return { Version: '2012-10-17', Statement: [allow] };
}

describe('AssumeRole', () => {
  it('with the right external id gives a session that uses the customer key under its own name', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: customer });
    const credentials = assumed(aws, { role: customerRole(aws), externalId });
    const answer = await kmsClient(aws, { credentials }).send(new DescribeKeyCommand({ KeyId: key.arn }));
    expect(answer.KeyMetadata?.Arn).toBe(key.arn);
    expect(aws.calls.at(-1)).toMatchObject({
      principalArn: `arn:aws:sts::${customer}:assumed-role/byok-access/tenant-1@node-1`,
      roleSessionName: 'tenant-1@node-1',
      keyArn: key.arn,
      outcome: 'ok',
    });
    expect(aws.count('AssumeRole', { roleSessionName: 'tenant-1@node-1', outcome: 'ok' })).toBe(1);
  });

  it('without the external id that the trust policy demands, or with another, is AccessDenied with 403', async () => {
    await using aws = await startAwsSimulator();
    const role = customerRole(aws);
    for (const given of [{}, { externalId: 'someone-else' }]) {
      const denied = await refusal(assumed(aws, { role, ...given })());
      expect([denied.name, denied.status]).toEqual(['AccessDenied', 403]);
      expect(denied.message).toBe(
        `User: ${aws.platform.arn} is not authorized to perform: sts:AssumeRole on resource: ${role.arn}`,
      );
    }
  });

  it('of a role without a condition on external ids lets everybody in whom it trusts, as AWS does', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({
      name: 'open',
      accountId: customer,
      trust: aws.trustFor({ principal: '123456789012' }),
    });
    await expect(assumed(aws, { role, externalId: 'anything' })()).resolves.toBeDefined();
    await expect(assumed(aws, { role })()).resolves.toBeDefined();
  });

  it.each([
    ['StringEquals of one in a list', { StringEquals: { 'sts:ExternalId': ['a1', externalId] } }, true],
    ['StringLike with a wildcard', { StringLike: { 'sts:ExternalId': 'unique-*' } }, true],
    ['StringLike that does not fit', { StringLike: { 'sts:ExternalId': 'unique-??' } }, false],
    ['StringNotEquals of the id', { StringNotEquals: { 'sts:ExternalId': externalId } }, false],
    ['Null that wants none', { Null: { 'sts:ExternalId': 'true' } }, false],
    ['a session name that fits', { StringLike: { 'sts:RoleSessionName': 'tenant-1@*' } }, true],
    ['the caller by ARN', { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/keyproxy' } }, true],
    [
      'two conditions of which one fails',
      { StringEquals: { 'sts:ExternalId': externalId }, Bool: { 'aws:SecureTransport': 'true' } },
      false,
    ],
  ])('evaluates %s', async (_name, condition, allowed) => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'conditional', accountId: customer, trust: statement(condition) });
    const call = assumed(aws, { role, externalId })();
    if (allowed) await expect(call).resolves.toBeDefined();
    else expect((await refusal(call)).name).toBe('AccessDenied');
  });

  it('needs the caller own permission for a role of another account and of one that trusts the account', async () => {
    await using aws = await startAwsSimulator();
    const permissions = { Statement: [{ Effect: 'Allow', Action: 'kms:*', Resource: '*' }] };
    const user = aws.createUser({ name: 'no-sts', permissions });
    const named = aws.createRole({ name: 'named', trust: aws.trustFor({ principal: user.arn }) });
    const account = aws.createRole({ name: 'account', trust: aws.trustFor({ principal: user.accountId }) });
    const foreign = aws.createRole({
      name: 'foreign',
      accountId: customer,
      trust: aws.trustFor({ principal: user.arn }),
    });
    await expect(assumed(aws, { role: named, master: user })()).resolves.toBeDefined();
    expect((await refusal(assumed(aws, { role: account, master: user })())).name).toBe('AccessDenied');
    expect((await refusal(assumed(aws, { role: foreign, master: user })())).name).toBe('AccessDenied');
  });

  it('of a role that does not exist, or exists no more, is AccessDenied, and sessions of a removed role are invalid', async () => {
    await using aws = await startAwsSimulator();
    const role = customerRole(aws);
    const credentials = await assumed(aws, { role, externalId })();
    role.remove();
    expect((await refusal(assumed(aws, { role, externalId })())).name).toBe('AccessDenied');
    const call = kmsClient(aws, { credentials }).send(new DescribeKeyCommand({ KeyId: 'alias/any' }));
    expect((await refusal(call)).name).toBe('UnrecognizedClientException');
    expect((await refusal(assumed(aws, { role: { arn: `arn:aws:iam::${customer}:role/none` } })())).name).toBe(
      'AccessDenied',
    );
  });

  it('follows a changed trust policy at the next session and leaves the running one alone', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey({ accountId: customer });
    const role = customerRole(aws);
    const credentials = await assumed(aws, { role, externalId })();
    role.setTrust(aws.trustFor({ principal: 'arn:aws:iam::999988887777:root' }));
    expect((await refusal(assumed(aws, { role, externalId })())).name).toBe('AccessDenied');
    await kmsClient(aws, { credentials }).send(new DescribeKeyCommand({ KeyId: key.arn }));
  });

  it.each([
    ['a session name of one character', { sessionName: 'x' }],
    ['a session name of 65 characters', { sessionName: 'x'.repeat(65) }],
    ['a session name with a slash', { sessionName: 'tenant/node' }],
    ['an external id of one character', { externalId: 'x' }],
    ['an external id of 1,225 characters', { externalId: 'x'.repeat(1225) }],
    ['an external id with a space', { externalId: 'a b' }],
    ['899 seconds', { seconds: 899 }],
    ['43,201 seconds', { seconds: 43_201 }],
    ['more seconds than the role allows', { seconds: 3601 }],
  ])('refuses %s with a ValidationError of status 400', async (_name, given) => {
    await using aws = await startAwsSimulator();
    const invalid = await refusal(assumed(aws, { role: customerRole(aws), externalId, ...given })());
    expect([invalid.name, invalid.status]).toEqual(['ValidationError', 400]);
  });

  it('gives a session as long as asked, an hour by default, and up to the longest that the role allows', async () => {
    const clock = movableClock(Math.floor(Date.now() / 1000) * 1000);
    await using aws = await startAwsSimulator({ clock });
    const trust = aws.trustFor({ principal: aws.platform.arn });
    const role = aws.createRole({ name: 'long', trust, maxSessionSeconds: 43_200 });
    const lifetime = async (given: { seconds?: number }): Promise<number> => {
      const { expiration } = await assumed(aws, { role, ...given })();
      return ((expiration?.getTime() ?? 0) - clock.now()) / 1000;
    };
    expect(await lifetime({})).toBe(3600);
    expect(await lifetime({ seconds: 900 })).toBe(900);
    expect(await lifetime({ seconds: 43_200 })).toBe(43_200);
  });

  it('by a session ends after an hour at most, whatever the role allows', async () => {
    await using aws = await startAwsSimulator();
    const own = aws.createRole({ name: 'own', trust: aws.trustFor({ principal: aws.platform.arn }) });
    const trust = aws.trustFor({ principal: own.arn, externalId });
    const role = aws.createRole({ name: 'chained', accountId: customer, trust, maxSessionSeconds: 43_200 });
    const master = assumed(aws, { role: own });
    await expect(assumed(aws, { role, externalId, master, seconds: 3600 })()).resolves.toBeDefined();
    const longer = await refusal(assumed(aws, { role, externalId, master, seconds: 3601 })());
    expect([longer.name, longer.status]).toEqual(['ValidationError', 400]);
    expect(longer.message).toContain('role chaining');
  });

  it('with a session policy narrows the role to what both allow', async () => {
    await using aws = await startAwsSimulator();
    const [one, other] = [aws.createKey({ accountId: customer }), aws.createKey({ accountId: customer })];
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['kms:DescribeKey', 'sts:*'], Resource: one.arn }],
    });
    const credentials = await assumed(aws, { role: customerRole(aws), externalId, policy })();
    const client = kmsClient(aws, { credentials });
    await client.send(new DescribeKeyCommand({ KeyId: one.arn }));
    const outside = await refusal(client.send(new DescribeKeyCommand({ KeyId: other.arn })));
    expect(outside.name).toBe('AccessDeniedException');
    expect(outside.message).toContain('because no session policy allows the kms:DescribeKey action');
    const more = new EncryptCommand({ KeyId: one.arn, Plaintext: Buffer.from('x') });
    expect((await refusal(client.send(more))).name).toBe('AccessDeniedException');
  });

  it('with a session policy that is none is MalformedPolicyDocument', async () => {
    await using aws = await startAwsSimulator();
    const role = customerRole(aws);
    for (const policy of ['not json', '{"Statement":[{"Effect":"Perhaps","Action":"*","Resource":"*"}]}']) {
      const refused = await refusal(assumed(aws, { role, externalId, policy })());
      expect([refused.name, refused.status]).toEqual(['MalformedPolicyDocumentException', 400]);
    }
  });
});

describe('GetCallerIdentity', () => {
  it('names the caller, user or session, and needs no permission', async () => {
    await using aws = await startAwsSimulator();
    const user = aws.createUser({
      name: 'nobody',
      permissions: { Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }] },
    });
    const answer = await rawCall(aws, { service: 'sts', credentials: user });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(`<Arn>${user.arn}</Arn>`);
    expect(answer.text).toContain('<Account>123456789012</Account>');
    expect(answer.headers.get('content-type')).toBe('text/xml');
  });
});
