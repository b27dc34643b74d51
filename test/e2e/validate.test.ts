/** `keyproxy validate` as an operator runs it, against keys of the simulated AWS in every shape of bad set-up. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { customerAccount, type GuidePolicy, guidePolicy, platformRoles } from '../contract/aws-key-policies.ts';
import type { IssuedCredentials } from '../simulators/aws/identities.ts';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { type AwsTenantOptions, awsTenant, customerRole } from '../support/aws-tenant.ts';
import { makeAuthority } from '../support/certificates.ts';
import { runKeyproxy, temporaryFolder } from '../support/daemon.ts';

const externalId = 'keyproxy-right';

let aws: AwsSimulator;
beforeAll(async () => {
  aws = await startAwsSimulator();
});
afterAll(() => aws[Symbol.asyncDispose]());

/** Validates a tenant in a process of its own, with an identity in its environment. */
async function validate(
  tenant: Partial<AwsTenantOptions> & { keyArn: string },
  { at = aws, as = aws.platform }: { at?: AwsSimulator; as?: IssuedCredentials } = {},
) {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'tenant.yaml'), awsTenant(at, { id: 'acme', ...tenant }));
  await writeFile(
    join(folder.path, 'keyproxy.yaml'),
    `listen: [{ unix: k.sock }]\nhttp: { address: "127.0.0.1:0" }\ntenants: { directory: . }\n` +
      `trusted_endpoints: ["${at.endpoint}"]\naws: { sts_endpoint: "${at.endpoint}" }\n`,
  );
  return await runKeyproxy(['validate', '--config', 'keyproxy.yaml', 'tenant.yaml'], {
    cwd: folder.path,
    env: {
      AWS_ACCESS_KEY_ID: as.accessKeyId,
      AWS_SECRET_ACCESS_KEY: as.secretAccessKey,
      AWS_SESSION_TOKEN: as.sessionToken ?? '',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  });
}

/** keyproxy under the role that a guide's policy names, and a key of the customer's under that policy. */
function guided(name: GuidePolicy) {
  const { name: roleName, accountId } = platformRoles[name];
  const role =
    roles.get(roleName) ?? aws.createRole({ name: roleName, accountId, trust: aws.trustFor({ principal: accountId }) });
  roles.set(roleName, role);
  const key = aws.createKey({ accountId: customerAccount, policy: guidePolicy(name) });
  return { key, as: role.session({ name: 'keyproxy', seconds: 3600 }) };
}

/** The platform's own roles, by name. */
const roles = new Map<string, SimulatedRole>();

describe.concurrent('keyproxy validate', () => {
  test('a retired key that keyproxy may only decrypt with is a warning, as a current one it is a failure', async () => {
    const readOnly = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: aws.platform.arn }, Action: 'kms:Decrypt', Resource: '*' }],
    };
    const [key, old] = [aws.createKey(), aws.createKey({ policy: readOnly })];
    const more = `  retired: [{ provider: aws_kms, aws_kms: { key_arn: "${old.arn}", endpoint: "${aws.endpoint}" } }]`;
    const { code, stdout } = await validate({ keyArn: key.arn, more });
    expect(stdout).toMatch(/^! retired key .*: makes a data key\n.*KEY_ACCESS_DENIED.*well for a retired key/m);
    expect(code).toBe(0);
    expect((await validate({ keyArn: old.arn })).code).toBe(1);
  });

  test('a retired key that is disabled, or is not there, is a failure: nothing can be read under it', async () => {
    const [key, disabled] = [aws.createKey(), aws.createKey()];
    disabled.disable();
    for (const arn of [disabled.arn, disabled.arn.replace(/.{8}$/, '00000000')]) {
      const more = `  retired: [{ provider: aws_kms, aws_kms: { key_arn: "${arn}", endpoint: "${aws.endpoint}" } }]`;
      const { code, stdout } = await validate({ keyArn: key.arn, more });
      expect(stdout).toMatch(/^✗ retired key .*: makes a data key\n.*KEY_(DISABLED|NOT_FOUND)/m);
      expect(code).toBe(1);
    }
  });

  test('a replica that may not wrap what the current key made is a failure: it would never stand in', async () => {
    const noEncrypt = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: aws.platform.arn },
          Action: ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:DescribeKey'],
          Resource: '*',
        },
      ],
    };
    const [key, replica] = [aws.createKey(), aws.createKey({ policy: noEncrypt })];
    const more = `  replicas: [{ provider: aws_kms, aws_kms: { key_arn: "${replica.arn}", endpoint: "${aws.endpoint}" } }]`;
    const { code, stdout } = await validate({ keyArn: key.arn, more });
    expect(stdout).toMatch(/^✗ replica key .*: wraps a data key that another key made\n.*KEY_ACCESS_DENIED/m);
    expect(code).toBe(1);
  });

  test('a sound set-up with a role passes, each step with its mark', async () => {
    const key = aws.createKey();
    key.setRotation(365);
    const role = customerRole(aws, 'sound', externalId);
    const { code, stdout } = await validate({ keyArn: key.arn, role: { arn: role.arn, externalId } });
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.every((line) => line.startsWith('✓ '))).toBe(true);
    expect(lines.at(-1)).toBe('✓ tenant.yaml: BYOK setup validated successfully');
    expect(lines.slice(0, 3)).toEqual(
      ['can be opened', 'makes a data key', 'opens the data key again'].map(
        (step) => `✓ current key ${key.arn}: ${step}`,
      ),
    );
    expect(lines).toHaveLength(9);
  });

  test('a role that anybody gets fails, although the round trip works', async () => {
    const role = aws.createRole({ name: 'open', trust: aws.trustFor({ principal: aws.platform.arn }) });
    const { code, stdout, stderr } = await validate({
      keyArn: aws.createKey().arn,
      role: { arn: role.arn, externalId },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /✗ current key \S+: is behind a role that nobody gets without an external id\n.*confused deputy/,
    );
    expect(stderr).toContain('BYOK validation failed');
  });

  test('the policy that the setup guide applies passes', async () => {
    const { key, as } = guided('setup-guide');
    const { code, stdout } = await validate({ keyArn: key.arn }, { as });
    expect(code).toBe(0);
    expect(stdout).toContain('✓ tenant.yaml: BYOK setup validated successfully');
  });

  test('the policy of the implementation guide passes with warnings that name feature and permission', async () => {
    const { key, as } = guided('implementation-guide');
    const { code, stdout, stderr } = await validate({ keyArn: key.arn }, { as });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/! .*kms:Encrypt .*\n {4}without it Rewrap, key rotation, replicas.*add kms:Encrypt/);
    expect(stdout).toMatch(/! .*kms:DescribeKey .*\n {4}without it exact messages.*add kms:DescribeKey/);
    expect(stdout).toContain('✓ tenant.yaml: BYOK setup validated successfully');
  });

  test('the policy with kms:ViaService fails with a sentence that names the condition', async () => {
    const { key, as } = guided('setup-guide-via-service');
    const { code, stdout } = await validate({ keyArn: key.arn }, { as });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ current key \S+: makes a data key\n {4}KEY_ACCESS_DENIED: .*kms:ViaService/);
  });
});

describe.concurrent('keyproxy validate tells the next step where', () => {
  test('the key is disabled', async () => {
    const key = aws.createKey();
    key.disable();
    const { code, stdout } = await validate({ keyArn: key.arn });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /✗ .*makes a data key\n {4}KEY_DISABLED: .*enable-key\).*\(DisabledException, request [0-9a-f-]+\)/,
    );
  });

  test('the key is to be deleted', async () => {
    const key = aws.createKey();
    key.scheduleDeletion();
    expect((await validate({ keyArn: key.arn })).stdout).toMatch(/KEY_PENDING_DELETION: .*cancel-key-deletion/);
  });

  test('the key is of the wrong type', async () => {
    const key = aws.createKey({ spec: 'HMAC_256' });
    expect((await validate({ keyArn: key.arn })).stdout).toMatch(/KEY_UNSUITABLE: .*ENCRYPT_DECRYPT/);
  });

  test('the key is in another region, or nowhere', async () => {
    const { arn } = aws.createKey({ region: 'eu-west-1' });
    const { stdout } = await validate({ keyArn: arn.replace('eu-west-1', 'us-west-2') });
    expect(stdout).toMatch(/KEY_NOT_FOUND: .*account and region/);
  });

  test.each(['no-such-role', 'another-id'])('the role is refused: %s', async (how) => {
    const role = customerRole(aws, `refused-${how}`, externalId);
    if (how === 'no-such-role') role.remove();
    const told = { arn: role.arn, externalId: how === 'another-id' ? 'keyproxy-wrong' : externalId };
    const { code, stdout } = await validate({ keyArn: aws.createKey().arn, role: told });
    expect(code).toBe(1);
    for (const part of ['ROLE_DENIED', 'role exists', 'trust policy', 'external_id', '(AccessDenied, request ']) {
      expect(stdout).toContain(part);
    }
  });

  test('its own credentials are unknown', async () => {
    const as = { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'nobody knows it' };
    const { stdout } = await validate({ keyArn: aws.createKey().arn }, { as });
    expect(stdout).toMatch(/KEY_SERVICE_CREDENTIALS: .*check keyproxy's own credentials/);
    expect(stdout).not.toContain('nobody knows it');
  });

  test('a proxy answers with a page', async () => {
    const key = aws.createKey();
    aws.faults.add({ keyArn: key.arn, fault: { kind: 'html', status: 403 } });
    const { code, stdout } = await validate({ keyArn: key.arn });
    expect(code).toBe(1);
    expect(stdout).toMatch(/KEY_SERVICE_UNAVAILABLE: .*proxies.*\(HTTP 403\)/);
  });

  test('the endpoint has a certificate that is not trusted', async () => {
    const authority = await makeAuthority();
    await using secret = await startAwsSimulator({ tls: await authority.issue() });
    const { code, stdout } = await validate({ keyArn: secret.createKey().arn }, { at: secret, as: secret.platform });
    expect(code).toBe(1);
    expect(stdout).toMatch(/KEY_SERVICE_UNAVAILABLE: .*NODE_EXTRA_CA_CERTS.*\([A-Z_]+\)/);
    expect(secret.calls).toEqual([]);
  });
});
