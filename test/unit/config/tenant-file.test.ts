import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TenantFileOptions } from '../../../src/config/key-block.ts';
import { ConfigError, describeProblems } from '../../../src/config/problem.ts';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';
import { keyIdOf } from '../../../src/kms/key-config.ts';

const fixtures = resolve(import.meta.dirname, '../../support/fixtures/config');
const strict: TenantFileOptions = { allowLocal: false, trustedEndpoints: [] };

function read(name: string, options = strict) {
  return parseTenantFile(readFileSync(resolve(fixtures, name), 'utf8'), name, options);
}

function withFault(name: string, options = strict): string {
  const text = readFileSync(resolve(fixtures, 'tenants-with-faults', `${name}.yaml`), 'utf8');
  const { config, problems } = parseTenantFile(text, 'f.yaml', options);
  expect(config === undefined).toBe(problems.length > 0);
  return describeProblems(problems);
}

describe("the seed's byok_config.yaml", () => {
  test('is the file of the seed, byte for byte', () => {
    const bytes = readFileSync(resolve(fixtures, 'byok_config.yaml'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '5b3585b46b46aeb19813073a3c7a81db04f393ff8f27937d0d89304a7ccd2937',
    );
  });

  test('loads as it stands, nine-digit accounts included, with every default in place', () => {
    const { config, problems, warnings } = read('byok_config.yaml');
    expect([...problems, ...warnings]).toEqual([]);
    expect(config).toEqual({
      tenantId: 'tenant_12345',
      customer: 'acme_corp',
      key: {
        provider: 'aws_kms',
        keyArn: 'arn:aws:kms:us-east-1:123456789:key/abc-123',
        region: 'us-east-1',
        role: { arn: 'arn:aws:iam::123456789:role/byok-access', externalId: 'unique-external-id-12345' },
      },
      replicas: [],
      retired: [],
      rotation: { enabled: true, intervalDays: 90 },
      cache: { ttlSeconds: 86400, maxEntries: 1000, warmStart: false },
      dekSource: 'derived',
      decrypt: { foreign: false, suites: 'committing' },
      canary: { intervalSeconds: 60 },
      limits: { kmsCallsPerSecond: 50, kmsConcurrency: 16, kmsTimeoutMs: 2000, maxUnprovenSeconds: 86400 },
      audit: { logAllOperations: true, alertOnFailures: true },
    });
  });
});

test('every key that a file says wins over its default, and relative key files are taken from the file', () => {
  const text = readFileSync(resolve(fixtures, 'every-key-said.yaml'), 'utf8');
  const { config, problems } = parseTenantFile(text, '/etc/tenants/g.yaml', { allowLocal: true, trustedEndpoints: [] });
  expect(problems).toEqual([]);
  expect(config).toEqual({
    tenantId: 'globex.eu-1',
    customer: 'Globex & Söhne',
    environment: 'staging',
    key: {
      provider: 'aws_kms',
      keyArn: 'arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-0123456789abcdef',
      region: 'us-gov-west-1',
      role: { arn: 'arn:aws-us-gov:iam::123456789012:role/team/keyproxy', externalId: 'a,b.c@d:e/f-g=h' },
      endpoint: 'https://vpce-1.kms.us-gov-west-1.vpce.amazonaws.com',
    },
    replicas: [],
    retired: [
      { provider: 'aws_kms', keyArn: 'arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/old', region: 'us-gov-west-1' },
      { provider: 'local', keyName: 'first', keyFile: '/etc/tenants/keys/first.key' },
    ],
    rotation: { enabled: false, intervalDays: 3650 },
    cache: { ttlSeconds: 0, maxEntries: 1_000_000, warmStart: false },
    dekSource: 'kms',
    decrypt: { foreign: true, suites: 'all' },
    canary: { intervalSeconds: 300 },
    limits: { kmsCallsPerSecond: 1, kmsConcurrency: 2, kmsTimeoutMs: 100, maxUnprovenSeconds: 60 },
    audit: { logAllOperations: false, alertOnFailures: false },
  });
});

test('a key of each provider is read with each of its credentials, and its paths are taken from the file', () => {
  const text = readFileSync(resolve(fixtures, 'every-provider.yaml'), 'utf8');
  const { config, problems } = parseTenantFile(text, '/etc/tenants/i.yaml', strict);
  expect(problems).toEqual([]);
  const clientId = '11111111-2222-3333-4444-555555555555';
  const directory = { tenant: 'initech.onmicrosoft.com', clientId };
  const vaultKey = { provider: 'vault', keyName: 'platform-cmk' };
  expect(config?.key).toEqual({
    ...{ provider: 'azure_kv', vaultUrl: 'https://initech.vault.azure.net', keyName: 'platform-cmk' },
    ...{ keyVersion: '0123456789abcdef0123456789abcdef', ...directory, credential: { kind: 'managed_identity' } },
  });
  expect(config?.replicas).toEqual([
    {
      ...{ provider: 'azure_kv', vaultUrl: 'https://initech.managedhsm.azure.net', keyName: 'platform-cmk' },
      tenant: '99999999-2222-3333-4444-555555555555',
      credential: { kind: 'workload_identity', tokenFile: '/etc/tenants/tokens/azure' },
    },
    {
      provider: 'gcp_kms',
      keyName: 'projects/initech-prod/locations/europe-west1/keyRings/platform/cryptoKeys/cmk',
      keyVersion: '3',
      impersonate: 'keyproxy@initech-prod.iam.gserviceaccount.com',
      credential: { kind: 'workload_identity_federation', file: '/etc/tenants/federation.json' },
    },
    {
      ...{ ...vaultKey, address: 'https://vault.initech.example:8200', mount: 'keys/transit' },
      ...{ namespace: 'admin/platform', caFile: '/etc/tenants/initech-ca.pem' },
      auth: {
        ...{ method: 'kubernetes', mount: 'clusters/prod', role: 'keyproxy' },
        audience: 'https://vault.initech.example',
        tokenFile: '/var/run/secrets/keyproxy/tokens/initech',
      },
    },
    {
      ...{ ...vaultKey, address: 'https://vault-dr.initech.example', mount: 'transit' },
      auth: { method: 'approle', mount: 'approle', roleId: '6c1a', secretIdFile: '/etc/tenants/secret-id' },
    },
  ]);
  expect(config?.retired).toEqual([
    {
      ...{ provider: 'azure_kv', vaultUrl: 'https://initech-old.vault.azure.net', keyName: 'cmk', ...directory },
      credential: { kind: 'client_secret_file', file: '/run/secrets/initech' },
    },
    {
      provider: 'gcp_kms',
      keyName: 'projects/example.com:initech/locations/global/keyRings/old/cryptoKeys/cmk',
      credential: { kind: 'service_account_file', file: '/run/secrets/initech.json' },
      endpoint: 'https://cloudkms-initech.p.googleapis.com',
    },
    {
      provider: 'gcp_kms',
      keyName: 'projects/initech-prod/locations/us/keyRings/old/cryptoKeys/cmk',
      credential: { kind: 'application_default' },
    },
  ]);
  const ids = [config?.key, ...(config?.replicas ?? [])].map((key) => key && keyIdOf(key));
  expect(ids).toEqual([
    'https://initech.vault.azure.net/keys/platform-cmk',
    'https://initech.managedhsm.azure.net/keys/platform-cmk',
    'projects/initech-prod/locations/europe-west1/keyRings/platform/cryptoKeys/cmk',
    'https://vault.initech.example:8200/v1/admin/platform/keys/transit/keys/platform-cmk',
    'https://vault-dr.initech.example/v1/transit/keys/platform-cmk',
  ]);
});

test('a file with five mistakes gives five problems with their lines, in one message', () => {
  const { problems } = read('tenants-with-faults/five-mistakes.yaml');
  expect(problems).toHaveLength(5);
  const { message } = new ConfigError(problems);
  const lines = message.split('\n');
  expect(lines[0]).toBe('the configuration cannot be used, 5 problems:');
  const file = 'tenants-with-faults/five-mistakes.yaml';
  expect(lines.slice(1)).toEqual([
    `${file}:2: tenant_id: must be 1 to 128 characters of [A-Za-z0-9._-]`,
    expect.stringMatching(`^${file}:5: encryption.aws_kms.external_id: is missing; `),
    expect.stringMatching(`^${file}:6: encryption.aws_kms.key_arn: names an alias, .* give the ARN of the key itself`),
    `${file}:9: encryption.cache_config.ttl_second: is an unknown key; did you mean ttl_seconds?`,
    expect.stringMatching(`^${file}:10: encryption.cache_config.max_entries: must be a whole number from 1 to 1000000`),
  ]);
});

/** Fixture → every line of its report, in the file's order. */
const faults: Readonly<Record<string, readonly RegExp[]>> = {
  'five-mistakes': [/:2: /, /:5: /, /:6: /, /:9: /, /:10: /],
  'names-two-providers': [/^f.yaml:6: encryption.vault: .* names two providers; remove one$/],
  'block-of-provider-missing': [/^f.yaml:3: encryption.aws_kms: is missing; /],
  'region-differs-from-arn': [/^f.yaml:7: encryption.aws_kms.region: is us-east-1, but the key's ARN says eu-west-1/],
  'external-id-without-role': [/^f.yaml:5: encryption.aws_kms.role_arn: is missing; /],
  'endpoint-on-loopback': [/^f.yaml:7: encryption.aws_kms.endpoint: is a loopback .* trusted_endpoints/],
  'endpoint-without-tls': [/^f.yaml:7: encryption.aws_kms.endpoint: must begin with https:.* trusted_endpoints/],
  'key-given-twice': [/^f.yaml:8: encryption.cache_config: the key is given twice, first on line 7; keep one$/],
  'credential-without-its-file': [
    /^f.yaml:5: encryption.azure_kv.client_id: is missing; the credential client_secret_file needs it$/,
    /^f.yaml:5: encryption.azure_kv.client_secret_file: is missing; the credential client_secret_file needs it$/,
    /^f.yaml:5: encryption.azure_kv.tenant: is missing; the credential client_secret_file needs it$/,
    /^f.yaml:8: encryption.azure_kv.token_file: does not go with the credential client_secret_file$/,
  ],
  'gcp-version-in-name': [
    /^f.yaml:5: encryption.gcp_kms.service_account_file: is missing; /,
    /^f.yaml:6: encryption.gcp_kms.key_name: names a version of a key; .* as key_version$/,
    /^f.yaml:7: encryption.gcp_kms.key_version: must be text: put the number in quotes$/,
    /^f.yaml:9: encryption.gcp_kms.federation_file: does not go with the credential service_account_file$/,
    /^f.yaml:10: encryption.gcp_kms.endpoint: is a loopback or link-local address; /,
  ],
  'vault-login-mixed': [
    /^f.yaml:6: encryption.vault.address: must begin with https:/,
    /^f.yaml:7: encryption.vault.mount: must be a path without slashes at its ends, /,
    /^f.yaml:8: encryption.vault.key_name: must be 1 to 128 characters /,
    /^f.yaml:9: encryption.vault.auth.audience: is missing; the method kubernetes needs it$/,
    /^f.yaml:9: encryption.vault.auth.secret_id_file: does not go with the method kubernetes$/,
  ],
  'replica-repeated': [
    /^f.yaml:6: encryption.replicas: names a key that has its part already$/,
    /^f.yaml:11: encryption.retired: names a key that has its part already$/,
  ],
  'too-many-replicas': [/^f.yaml:6: encryption.replicas: has more than 4 keys, /],
  'local-not-allowed': [/^f.yaml:4: encryption.provider: local is for development .*allow_local: true/],
  'current-key-also-retired': [/^f.yaml:6: encryption.retired: names a key that has its part already$/],
  'quote-not-closed': [/^f.yaml:2: tenant_identity: is an unknown key; /, /^f.yaml:[45]: /],
  'empty-file': [
    /^f.yaml:1: customer: is missing/,
    /^f.yaml:1: encryption: is missing/,
    /^f.yaml:1: tenant_id: is missing/,
  ],
  'list-instead-of-keys': [/^f.yaml:1: the file must hold keys with values/],
  'number-as-name': [/^f.yaml:2: tenant_id: must be text: put the number in quotes$/],
  'value-by-alias': [/^f.yaml:2: tenant_id: aliases are not used here; write the value out$/],
  'out-of-range': [
    /^f.yaml:6: encryption.key_rotation.enabled: must be true or false, without quotes$/,
    /^f.yaml:6: encryption.key_rotation.interval_days: is 0; it must be a whole number of days from 1 to 3650$/,
    /^f.yaml:7: encryption.cache_config.ttl_seconds: is 604801; /,
    /^f.yaml:7: encryption.cache_config.max_entries: must be a whole number/,
    /^f.yaml:8: encryption.canary.interval_seconds: is 9; /,
    /^f.yaml:9: encryption.limits.kms_timeout_ms: is 60001; /,
  ],
};

describe('a file with faults is refused with all of them', () => {
  test.each(Object.entries(faults))('%s', (name, expected) => {
    const lines = withFault(name).split('\n');
    expect(lines).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });

  test('no fixture is left out', () => {
    const names = readdirSync(resolve(fixtures, 'tenants-with-faults')).map((name) => name.replace('.yaml', ''));
    expect(names.toSorted()).toEqual(Object.keys(faults).toSorted());
  });
});

test("what the daemon's file allows is accepted: local keys, and endpoints that it trusts", () => {
  expect(withFault('local-not-allowed', { ...strict, allowLocal: true })).toBe('');
  const trusting = { ...strict, trustedEndpoints: ['https://127.0.0.1:4566', 'http://kms.example.com'] };
  expect(withFault('endpoint-on-loopback', trusting)).toBe('');
  expect(withFault('endpoint-without-tls', trusting)).toBe('');
});

test('a message never repeats a value, nor a key that looks like a secret', () => {
  const secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12';
  const texts = [
    `customer: acme\ntenant_id: "${secret}!"\nencryption:\n  provider: ${secret}\n  ${secret}: 1\n`,
    `${secret}: {${secret}: ${secret}}\ncustomer: [${secret}]\ntenant_id: {a: ${secret}}\nencryption: ${secret}\n`,
    `customer: "${secret}\\q"\ntenant_id: *${secret}\nencryption: !${secret} x\n`,
    `encryption:\n  provider: aws_kms\n  aws_kms: {key_arn: ${secret}, role_arn: ${secret}, external_id: "${secret}?", endpoint: "https://u:${secret}@h"}\n`,
  ];
  for (const text of texts) {
    const { problems } = parseTenantFile(text, 'f.yaml', strict);
    expect(problems.length).toBeGreaterThan(0);
    expect(describeProblems(problems)).not.toContain(secret);
  }
});

describe('an endpoint of a tenant may not be this machine', () => {
  test.each([
    ...['https://localhost', 'https://kms.localhost.', 'https://0.0.0.0', 'https://169.254.169.254'],
    ...['https://[::1]:8443', 'https://[::ffff:127.0.0.1]', 'https://[fe80::1]', 'https://[fd00:ec2::254]'],
    ...['https://2130706433', 'https://0x7f.1', 'https://kms.example.com/path', 'ftp://kms.example.com'],
  ])('%s', (endpoint) => {
    const text = `customer: a\ntenant_id: a\nencryption:\n  provider: aws_kms\n  aws_kms:\n    key_arn: arn:aws:kms:us-east-1:123456789012:key/a\n    endpoint: "${endpoint}"\n`;
    const { problems } = parseTenantFile(text, 'f.yaml', strict);
    expect(problems.map(({ line, path }) => ({ line, path }))).toEqual([
      { line: 7, path: 'encryption.aws_kms.endpoint' },
    ]);
  });
});

test('a vault of Azure is reached by HTTPS, however much it is trusted', () => {
  const withVault = (url: string) =>
    parseTenantFile(
      `customer: a\ntenant_id: a\nencryption: {provider: azure_kv, azure_kv: {vault_url: "${url}", key_name: k}}\n`,
      'f.yaml',
      { ...strict, trustedEndpoints: [url] },
    ).problems.map(({ path, message }) => `${path}: ${message}`);
  expect(withVault('https://127.0.0.1:8443')).toEqual([]);
  expect(withVault('http://127.0.0.1:8443')).toEqual(['encryption.azure_kv.vault_url: must begin with https://']);
});

describe('an endpoint of Cloud KMS, which is sent a token that is good for other keys too', () => {
  const withEndpoint = (endpoint: string, trustedEndpoints: readonly string[] = []) =>
    parseTenantFile(
      `customer: a\ntenant_id: a\nencryption:\n  provider: gcp_kms\n  gcp_kms:\n    key_name: projects/p/locations/l/keyRings/r/cryptoKeys/k\n    endpoint: "${endpoint}"\n`,
      'f.yaml',
      { ...strict, trustedEndpoints },
    ).problems.map(({ line, path }) => ({ line, path }));

  test.each([
    'https://cloudkms.googleapis.com',
    'https://cloudkms.us-east1.rep.googleapis.com',
    'https://cloudkms-acme.p.googleapis.com:443',
  ])('%s is accepted', (endpoint) => {
    expect(withEndpoint(endpoint)).toEqual([]);
  });

  test.each([
    'https://kms.example.com',
    'https://cloudkms.googleapis.com.example.com',
    'https://cloudkms-googleapis.com',
    'http://cloudkms.googleapis.com',
  ])('%s is refused, unless the daemon trusts it', (endpoint) => {
    expect(withEndpoint(endpoint)).toEqual([{ line: 7, path: 'encryption.gcp_kms.endpoint' }]);
    expect(withEndpoint(endpoint, [endpoint])).toEqual([]);
  });
});

describe('a key ARN', () => {
  const withArn = (arn: string) =>
    parseTenantFile(
      `customer: a\ntenant_id: a\nencryption: {provider: aws_kms, aws_kms: {key_arn: "${arn}"}}\n`,
      'f.yaml',
      strict,
    ).config?.key;

  test.each([
    ['arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab', 'us-east-1'],
    ['arn:aws-cn:kms:cn-north-1:123456789012:key/abc', 'cn-north-1'],
    ['arn:aws:kms:ap-southeast-2:123456789012:key/mrk-abc', 'ap-southeast-2'],
  ])('%s names its region', (arn, region) => {
    expect(withArn(arn)).toMatchObject({ keyArn: arn, region });
  });

  test.each([
    ...['arn:aws:kms:us-east-1:1234567890:key/abc', 'arn:aws:kms::123456789012:key/abc', 'alias/orders', 'abc'],
    ...['arn:aws:kms:us-east-1:123456789012:key/', 'arn:aws:s3:us-east-1:123456789012:key/abc'],
    ...['arn:aws:kms:us-east-1:123456789012:key/abc ', 'arn:aws-x:kms:us-east-1:123456789012:key/abc'],
  ])('%s is refused', (arn) => {
    expect(withArn(arn)).toBeUndefined();
  });
});
