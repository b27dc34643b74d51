/** Identities without a key of AWS: service-account tokens at STS, and the services that give pods and instances theirs. */
import { DescribeKeyCommand } from '@aws-sdk/client-kms';
import { fromHttp, fromInstanceMetadata, fromWebToken } from '@aws-sdk/credential-providers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { startInstanceMetadata } from '../../simulators/aws/instance-metadata.ts';
import { OidcIssuer } from '../../simulators/aws/oidc.ts';
import { podIdentityAudience, startPodIdentityAgent } from '../../simulators/aws/pod-identity-agent.ts';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';

const sub = 'system:serviceaccount:keyproxy:keyproxy';
const aud = 'sts.amazonaws.com';

afterEach(() => vi.unstubAllEnvs());

function trustIn(
  { name }: OidcIssuer,
  condition: object = { StringEquals: { [`${name}:sub`]: sub, [`${name}:aud`]: aud } },
) {
  const Principal = { Federated: `arn:aws:iam::123456789012:oidc-provider/${name}` };
  const statement = { Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity', Condition: condition };
  return { Version: '2012-10-17', Statement: [statement] };
}

/** Session credentials by the SDK's own provider. */
function exchanged(aws: AwsSimulator, webIdentityToken: string, roleArn: string) {
  const clientConfig = { region: 'us-east-1', endpoint: aws.endpoint, maxAttempts: 1 };
  return fromWebToken({ roleArn, webIdentityToken, roleSessionName: 'pod-1', clientConfig });
}

describe('AssumeRoleWithWebIdentity', () => {
  it('gives the role’s session for the service account that its trust policy names, unsigned', async () => {
    await using aws = await startAwsSimulator();
    const issuer = aws.createIssuer();
    const role = aws.createRole({ name: 'irsa', trust: trustIn(issuer) });
    const key = aws.createKey();
    const credentials = exchanged(aws, issuer.token({ sub, aud }), role.arn);
    await kmsClient(aws, { credentials }).send(new DescribeKeyCommand({ KeyId: key.arn }));
    expect(aws.calls.at(-1)).toMatchObject({ principalArn: 'arn:aws:sts::123456789012:assumed-role/irsa/pod-1' });
    expect(aws.calls.at(0)?.principalArn).toBeUndefined();
  });

  it.each([
    ['another audience', { sub, aud: 'vault' }, 'InvalidIdentityToken', 400],
    ['another service account', { sub: 'system:serviceaccount:x:y', aud }, 'AccessDenied', 403],
    ['an end in the past', { sub, aud, seconds: -1 }, 'ExpiredToken', 400],
  ])('refuses a token with %s', async (_, claims, code, status) => {
    await using aws = await startAwsSimulator();
    const issuer = aws.createIssuer();
    const role = aws.createRole({ name: 'irsa', trust: trustIn(issuer) });
    const refused = await refusal(exchanged(aws, issuer.token(claims), role.arn)());
    expect(refused.name).toContain(code);
    expect(refused.status).toBe(status);
  });

  it('refuses a token that was changed, and one of an issuer that it does not know', async () => {
    await using aws = await startAwsSimulator();
    const issuer = aws.createIssuer();
    const stranger = new OidcIssuer(issuer.name);
    const role = aws.createRole({ name: 'irsa', trust: trustIn(issuer) });
    const [head = '', , signature = ''] = issuer.token({ sub, aud }).split('.');
    const claims = Buffer.from(JSON.stringify({ sub, aud: [aud], exp: 9e9 })).toString('base64url');
    for (const token of [stranger.token({ sub, aud }), `${head}.${claims}.${signature}`, 'not.a.token', 'nothing']) {
      const refused = await refusal(exchanged(aws, token, role.arn)());
      expect(refused.name).toContain('InvalidIdentityToken');
    }
  });

  it('refuses a role that trusts another issuer, or only users', async () => {
    await using aws = await startAwsSimulator();
    const [issuer, other] = [aws.createIssuer(), aws.createIssuer()];
    const token = issuer.token({ sub, aud });
    const roles = [
      aws.createRole({ name: 'other', trust: trustIn(other, {}) }),
      aws.createRole({ name: 'users', trust: aws.trustFor({ principal: aws.platform.arn }) }),
    ];
    for (const role of roles) expect((await refusal(exchanged(aws, token, role.arn)())).name).toBe('AccessDenied');
  });

  it('does not let a token stand in for a signature', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'any', trust: aws.trustFor({ principal: '123456789012' }) });
    const parameters = { Action: 'AssumeRole', Version: '2011-06-15', RoleArn: role.arn, RoleSessionName: 'pod-1' };
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    const body = new URLSearchParams(parameters).toString();
    const answer = await fetch(aws.endpoint, { method: 'POST', headers, body });
    expect([answer.status, (await answer.text()).includes('MissingAuthenticationToken')]).toEqual([403, true]);
  });
});

describe('the metadata service of an instance', () => {
  it('gives the role’s credentials to who asks in its second version', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'instance', trust: aws.trustFor({ principal: '123456789012' }) });
    await using metadata = await startInstanceMetadata(role, 900);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', metadata.url);
    const credentials = fromInstanceMetadata({ maxRetries: 0 });
    const key = aws.createKey();
    await kmsClient(aws, { credentials }).send(new DescribeKeyCommand({ KeyId: key.arn }));
    expect(aws.calls.at(-1)?.principalArn).toContain('assumed-role/instance/');
  });

  it('says nothing without a token, or with one that it did not give', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'instance', trust: aws.trustFor({ principal: '123456789012' }) });
    await using metadata = await startInstanceMetadata(role, 900);
    const url = `${metadata.url}/latest/meta-data/iam/security-credentials/instance`;
    for (const headers of [{}, { 'x-aws-ec2-metadata-token': 'guessed' }]) {
      expect((await fetch(url, { headers })).status).toBe(401);
    }
    expect((await fetch(`${metadata.url}/latest/api/token`, { method: 'PUT' })).status).toBe(400);
    expect(metadata.given()).toBe(0);
  });
});

describe('the agent of EKS Pod Identity', () => {
  it('gives the role’s credentials for a token that is for it, and for no other', async () => {
    await using aws = await startAwsSimulator();
    const issuer = aws.createIssuer();
    const role = aws.createRole({ name: 'pod', trust: aws.trustFor({ principal: '123456789012' }) });
    await using agent = await startPodIdentityAgent(role, { issuer, seconds: 900 });
    const get = (token: string) =>
      fromHttp({
        awsContainerCredentialsFullUri: agent.credentialsUrl,
        awsContainerAuthorizationToken: token,
        maxRetries: 0,
      })();
    const good = issuer.token({ sub, aud: podIdentityAudience });
    expect((await get(good)).accessKeyId).toMatch(/^ASIA/);
    const wrong = [issuer.token({ sub, aud }), issuer.token({ sub, aud: podIdentityAudience, seconds: -1 }), 'x'];
    for (const token of wrong) await expect(get(token)).rejects.toThrow();
    expect([agent.tokens, agent.refused()]).toEqual([[good], wrong.length]);
  });
});
