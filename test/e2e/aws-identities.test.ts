/**
 * Where keyproxy's own identity for AWS comes from: each source that the SDK knows and that a cluster, an instance or a
 * laptop has, with a daemon that finds it in its environment alone.
 */
import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startInstanceMetadata } from '../simulators/aws/instance-metadata.ts';
import type { OidcIssuer } from '../simulators/aws/oidc.ts';
import { podIdentityAudience, startPodIdentityAgent } from '../simulators/aws/pod-identity-agent.ts';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsFolder } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { startDaemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';

/** For this long a failed login answers for itself, and a little more, in milliseconds. */
const failureHoldsMs = 1_100;

const externalId = 'keyproxy-right';
const subject = 'system:serviceaccount:keyproxy:keyproxy';
/** How long credentials live that have to be renewed within a test, in seconds. */
const shortLife = 3;

let aws: AwsSimulator;
let issuer: OidcIssuer;
let keys: Record<'direct' | 'behind-role', SimulatedKey>;
let folder: DaemonFolder;

beforeAll(async () => {
  aws = await startAwsSimulator();
  issuer = aws.createIssuer();
  keys = { direct: aws.createKey(), 'behind-role': aws.createKey() };
  const role = aws.createRole({ name: 'byok-access', trust: aws.trustFor({ principal: '123456789012', externalId }) });
  folder = await awsFolder(aws, [
    { id: 'direct', keyArn: keys.direct.arn },
    { id: 'behind-role', keyArn: keys['behind-role'].arn, role: { arn: role.arn, externalId } },
  ]);
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

/** A daemon that has nothing of AWS in its environment but `env`, and a client of it. */
async function daemonWith(env: Readonly<Record<string, string>>) {
  const socket = `${randomUUID()}.sock`;
  const none = join(folder.path, 'no-such-file');
  const daemon = await startDaemon({
    ...folder.start,
    socket,
    env: {
      ...Object.fromEntries(Object.keys(process.env).flatMap((name) => (name.startsWith('AWS_') ? [[name, '']] : []))),
      KEYPROXY_LISTEN_UNIX: socket,
      AWS_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: none,
      AWS_SHARED_CREDENTIALS_FILE: none,
      ...env,
    },
  });
  const client = connect(daemon.socket);
  return {
    output: () => daemon.output(),
    /** Makes a data key with a call to the key service. */
    generate: (tenant: keyof typeof keys) =>
      client.call('GenerateDEK', { tenant_id: tenant, source: 'DEK_SOURCE_KMS' }),
    reasonOf: async (tenant: keyof typeof keys) =>
      toldBy(await client.error('GenerateDEK', { tenant_id: tenant, source: 'DEK_SOURCE_KMS' })),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** Who made the calls to a key, without repeats. */
function callersOf(tenant: keyof typeof keys): string[] {
  const calls = aws.calls.filter(({ keyArn, outcome }) => keyArn === keys[tenant].arn && outcome === 'ok');
  return [...new Set(calls.map(({ principalArn = '' }) => principalArn))];
}

/** A role of the platform's, that services of AWS give to what runs there. */
function platformRole(name: string, trust: object = aws.trustFor({ principal: '123456789012' })): SimulatedRole {
  return aws.createRole({ name, trust });
}

function trustInServiceAccount(): object {
  const condition = { StringEquals: { [`${issuer.name}:sub`]: subject, [`${issuer.name}:aud`]: 'sts.amazonaws.com' } };
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::123456789012:oidc-provider/${issuer.name}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: condition,
      },
    ],
  };
}

/** Replaces a file at once, as the kubelet does. */
async function put(file: string, text: string): Promise<void> {
  await writeFile(`${file}.next`, text);
  await rename(`${file}.next`, file);
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

describe.concurrent("keyproxy's own identity for AWS", () => {
  test('is a web identity (IRSA): the service account’s token, exchanged at the STS of the daemon’s file', async () => {
    const role = platformRole('irsa', trustInServiceAccount());
    const file = join(folder.path, 'irsa-token');
    await put(file, issuer.token({ sub: subject, aud: 'sts.amazonaws.com' }));
    const env = { AWS_ROLE_ARN: role.arn, AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_SESSION_NAME: 'irsa-1' };
    await using daemon = await daemonWith(env);
    await daemon.generate('direct');
    await daemon.generate('behind-role');
    expect(callersOf('direct')).toContain('arn:aws:sts::123456789012:assumed-role/irsa/irsa-1');
    expect(aws.count('AssumeRoleWithWebIdentity', { roleSessionName: 'irsa-1', outcome: 'ok' })).toBe(1);
    const chained = aws.calls.find((call) => call.operation === 'AssumeRole' && call.principalArn?.endsWith('/irsa-1'));
    expect(chained).toMatchObject({ outcome: 'ok' });
  });

  test.each([
    ['a token for somebody else', { aud: 'vault', sub: subject }],
    ['the token of another service account', { aud: 'sts.amazonaws.com', sub: 'system:serviceaccount:x:y' }],
    ['a token that has expired', { aud: 'sts.amazonaws.com', sub: subject, seconds: -60 }],
  ])('is not had with %s, and is as soon as the file holds the right one', async (what, claims) => {
    const name = `irsa-${randomUUID().slice(0, 8)}`;
    const role = platformRole(name, trustInServiceAccount());
    const file = join(folder.path, `${name}-token`);
    await put(file, issuer.token(claims));
    await using daemon = await daemonWith({ AWS_ROLE_ARN: role.arn, AWS_WEB_IDENTITY_TOKEN_FILE: file });
    const told = await daemon.reasonOf('direct');
    expect([what, told.reason, told.code]).toEqual([what, 'KEY_SERVICE_CREDENTIALS', status.UNAUTHENTICATED]);
    const token = issuer.token({ sub: subject, aud: 'sts.amazonaws.com' });
    await put(file, token);
    // A login that failed answers for itself for a second.
    await sleep(failureHoldsMs);
    await daemon.generate('direct');
    expect(daemon.output()).not.toContain(token.slice(-20));
  });

  test('is that of EKS Pod Identity: the token is read again for each renewal, and renewal comes in time', async () => {
    const role = platformRole('pod-identity');
    await using agent = await startPodIdentityAgent(role, { issuer, seconds: shortLife });
    const file = join(folder.path, 'pod-token');
    const [first, second] = [1, 2].map(() => issuer.token({ sub: subject, aud: podIdentityAudience }));
    await put(file, first ?? '');
    await using daemon = await daemonWith({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.credentialsUrl,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
    });
    await daemon.generate('direct');
    await put(file, second ?? '');
    const end = Date.now() + 2 * shortLife * 1000;
    for (; Date.now() < end; await pause(250)) await daemon.generate('direct');
    expect(agent.tokens.at(0)).toBe(first);
    expect(agent.tokens.at(-1)).toBe(second);
    expect(agent.refused()).toBe(0);
    const caller = { principalArn: 'arn:aws:sts::123456789012:assumed-role/pod-identity/eks-pod' };
    expect(callersOf('direct')).toContain(caller.principalArn);
    // No call went out with credentials that had ended.
    expect(aws.count('GenerateDataKey', { ...caller, outcome: 'ExpiredTokenException' })).toBe(0);
  });

  test('is not had with a token that the agent does not take, and is as soon as it does', async () => {
    const role = platformRole('pod-identity-late');
    await using agent = await startPodIdentityAgent(role, { issuer, seconds: 900 });
    const file = join(folder.path, 'late-pod-token');
    await put(file, issuer.token({ sub: subject, aud: 'sts.amazonaws.com' }));
    await using daemon = await daemonWith({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.credentialsUrl,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
    });
    expect((await daemon.reasonOf('direct')).reason).toBe('KEY_SERVICE_CREDENTIALS');
    // By each of the SDK's two providers once, the older of which only asks loopback hosts; not again every second.
    expect(agent.refused()).toBe(2);
    await put(file, issuer.token({ sub: subject, aud: podIdentityAudience }));
    await sleep(failureHoldsMs);
    await daemon.generate('direct');
  });

  test('is not asked for at an agent over plain HTTP that is not on this machine', async () => {
    await using daemon = await daemonWith({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://192.0.2.1/v1/credentials',
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'a token that must not leave',
    });
    expect((await daemon.reasonOf('direct')).reason).toBe('KEY_SERVICE_CREDENTIALS');
  });

  test('is that of the instance (IMDSv2), renewed before it ends', async () => {
    const role = platformRole('instance');
    await using metadata = await startInstanceMetadata(role, shortLife);
    await using daemon = await daemonWith({
      AWS_EC2_METADATA_DISABLED: 'false',
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
    });
    const end = Date.now() + 2 * shortLife * 1000;
    for (; Date.now() < end; await pause(250)) {
      await daemon.generate('direct');
      await daemon.generate('behind-role');
    }
    expect(callersOf('direct')).toContain('arn:aws:sts::123456789012:assumed-role/instance/i-0123456789');
    expect(metadata.given()).toBeGreaterThanOrEqual(2);
  });

  test('is a shared file’s, read again when AWS knows its key no longer', async () => {
    const file = join(folder.path, 'credentials');
    const [old, fresh] = ['old', 'fresh'].map((name) => aws.createUser({ name }));
    const written = (user: typeof old) =>
      `[platform]\naws_access_key_id = ${user?.accessKeyId}\naws_secret_access_key = ${user?.secretAccessKey}\n`;
    await put(file, written(old));
    await using daemon = await daemonWith({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'platform' });
    await daemon.generate('direct');
    await put(file, written(fresh));
    old?.deleteKey();
    await daemon.generate('direct');
    expect(callersOf('direct')).toEqual(expect.arrayContaining([old?.arn, fresh?.arn]));
  });

  test('is the environment’s', async () => {
    const user = aws.createUser({ name: 'static' });
    const env = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    await using daemon = await daemonWith(env);
    await daemon.generate('direct');
    expect(callersOf('direct')).toContain(user.arn);
  });

  test('is missing where there is none, which is a fault of keyproxy’s own', async () => {
    await using daemon = await daemonWith({});
    const told = await daemon.reasonOf('direct');
    expect([told.code, told.reason]).toEqual([status.UNAUTHENTICATED, 'KEY_SERVICE_CREDENTIALS']);
  });
});
