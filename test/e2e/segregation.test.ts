/** The segregation matrix in a real daemon: which keys serve, what callers of others read, what `validate` shows. */
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsTenant, customerRole, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { type Daemon, runKeyproxy } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';

const stack = new AsyncDisposableStack();
let aws: AwsSimulator;
let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;
const keys = new Map<string, SimulatedKey>();

/** The rows of the design's matrix, for the environment of the daemon and another one. */
const matrix = `
segregation:
  test:
    key_prefix: "prod-"
    required_tags: { Environment: "production", DataClassification: "sensitive" }
    approval_required: true
  staging:
    key_prefix: "stage-"
    required_tags: { Environment: "staging" }
  untagged: { key_prefix: "key-of-un" }
`;

const tags = { Environment: 'production', DataClassification: 'sensitive' };

/** A key with an alias and tags. */
function keyNamed(id: string, alias = `prod-${id}`, marks: Readonly<Record<string, string>> = tags): SimulatedKey {
  const key = aws.createKey();
  key.setAlias(`alias/${alias}`);
  key.setTags(marks);
  keys.set(id, key);
  return key;
}

function file(id: string, key: SimulatedKey, more = ''): [string, string] {
  return [`${id}.yaml`, awsTenant(aws, { id, keyArn: key.arn, more })];
}

const listed = (part: string, key: SimulatedKey) =>
  `  ${part}: [{ provider: aws_kms, aws_kms: { key_arn: "${key.arn}", endpoint: "${aws.endpoint}" } }]`;

function tenantFiles(): Record<string, string> {
  const role = customerRole(aws, 'narrow', 'external-id');
  const allowed = ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:ListResourceTags'];
  role.setPermissions({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: allowed, Resource: '*' }] });
  const narrow = { arn: role.arn, externalId: 'external-id' };
  return Object.fromEntries([
    file('inside', keyNamed('inside')),
    file('misnamed', keyNamed('misnamed', 'stage-misnamed')),
    file('untagged', keyNamed('untagged', 'prod-untagged', { Environment: 'production' })),
    file('staged', keyNamed('staged', 'stage-staged', { Environment: 'staging' }), 'environment: staging'),
    file('rowless', keyNamed('rowless'), 'environment: development'),
    file('copied', keyNamed('copied'), listed('replicas', keyNamed('copy', 'stage-copy'))),
    file('retiring', keyNamed('retiring'), listed('retired', keyNamed('old', 'old'))),
    file('corrected', keyNamed('corrected', 'stage-corrected')),
    ['narrow.yaml', awsTenant(aws, { id: 'narrow', keyArn: keyNamed('narrow').arn, role: narrow })],
    ['local.yaml', localTenant('local')],
    ['un-local.yaml', `${localTenant('un-local')}\nenvironment: untagged\n`],
  ]);
}

beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
  const extra = `
allow_local: true
trusted_endpoints: ["${aws.endpoint}"]
aws: { sts_endpoint: "${aws.endpoint}" }
${matrix}`;
  folder = stack.use(await daemonFolder({ extra, tenants: tenantFiles() }));
  daemon = stack.use(await startAwsDaemon(aws, folder));
  client = stack.use(connect(daemon.socket));
});
afterAll(() => stack.disposeAsync());

/** What a tenant's caller is told: `served`, or the reason and the sentence. */
async function told(tenant_id: string): Promise<string> {
  return await client.call('GenerateDEK', { tenant_id }).then(
    () => 'served',
    (error: ServiceError) => {
      const { reason, message } = toldBy(error);
      return `${reason} ${message.replace(/^.*in its environment: /, '')}`;
    },
  );
}

const wanted = (what: string) => `KEY_OUTSIDE_SEGREGATION the current key: a key in test has to have ${what}`;

describe('a tenant', () => {
  test.each(['inside', 'staged', 'retiring', 'un-local'])(
    'whose keys are those of its environment is served: %s',
    async (id) => {
      expect(await told(id)).toBe('served');
    },
  );

  test.each([
    ['misnamed', wanted('an alias that begins with prod-, and this one has stage-misnamed')],
    ['untagged', wanted('the tag DataClassification with the value sensitive')],
    [
      'rowless',
      'KEY_OUTSIDE_SEGREGATION the segregation matrix has no row for the environment development, but for test, ' +
        'staging, untagged; correct the environment, or add its row',
    ],
    [
      'copied',
      'KEY_OUTSIDE_SEGREGATION replica 1: a key in test has to have an alias that begins with prod-, and this one has ' +
        'stage-copy',
    ],
    [
      'local',
      wanted(
        "tags, and keys of local have none; use another provider, or take required_tags out of the environment's row",
      ),
    ],
  ])('with another key is refused each time, and its key is not used: %s', async (id, expected) => {
    const keyArn = keys.get(id)?.arn;
    const used = () =>
      aws.calls.filter(({ operation, keyArn: arn }) => operation === 'GenerateDataKey' && arn === keyArn);
    const before = used().length;
    expect([await told(id), await told(id)]).toEqual([expected, expected].map((text) => expect.stringContaining(text)));
    expect(used()).toHaveLength(before);
  });

  test('whose key may not be looked at is told the permission that is missing', async () => {
    expect(await told('narrow')).toMatch(/^KEY_OUTSIDE_SEGREGATION the current key: .* allow kms:ListAliases with/);
  });

  test('is served as soon as its key is right and its file is read again', async () => {
    expect(await told('corrected')).toMatch(/has stage-corrected$/);
    const key = keys.get('corrected');
    if (key === undefined) throw new Error('the key is missing');
    key.setAlias('alias/prod-corrected');
    const [name, text] = file('corrected', key, '  cache_config: { ttl_seconds: 60 }');
    await folder.write(join('tenants', name), text);
    await expect.poll(() => told('corrected'), { timeout: 20_000 }).toBe('served');
  });
});

test('The log names each key that may not be used, once', async () => {
  for (const id of ['misnamed', 'copied']) for (const _twice of [1, 2]) await told(id);
  const found = () =>
    daemon
      .output()
      .split('\n')
      .filter((line) => line.includes('a key may not be used in its environment'))
      .map((line) => JSON.parse(line) as { tenant: string; key: string })
      .filter(({ tenant }) => tenant === 'misnamed' || tenant === 'copied')
      .map(({ tenant, key }) => `${tenant} ${key}`);
  await expect.poll(() => found().sort()).toEqual(['copied replica 1', 'misnamed current']);
});

describe('keyproxy validate', () => {
  const validate = (id: string) =>
    runKeyproxy(['validate', '--config', 'keyproxy.yaml', `tenants/${id}.yaml`], {
      cwd: folder.path,
      env: {
        AWS_ACCESS_KEY_ID: aws.platform.accessKeyId,
        AWS_SECRET_ACCESS_KEY: aws.platform.secretAccessKey,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    });

  test('shows that a key is one of its environment', async () => {
    const { code, stdout } = await validate('inside');
    expect(stdout).toMatch(/^✓ current key .*: may be used in test$/m);
    expect(code).toBe(0);
  });

  test.each([
    ['misnamed', /^✗ current key .*: may be used in test\n {4}KEY_OUTSIDE_SEGREGATION: .*begins with prod-/m],
    ['copied', /^✗ replica key .*: may be used in test\n {4}KEY_OUTSIDE_SEGREGATION: .*this one has stage-copy/m],
    [
      'rowless',
      /^✗ the segregation matrix has a row for the environment\n {4}.*no row for the environment development/m,
    ],
  ])('fails for one that is not: %s', async (id, expected) => {
    const { code, stdout } = await validate(id);
    expect(stdout).toMatch(expected);
    expect(code).toBe(1);
  });
});
