import { describe, expect, test } from 'vitest';
import { type DaemonConfig, parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { developmentConfig } from '../../../src/config/development.ts';
import { describeProblems } from '../../../src/config/problem.ts';

const directory = 'tenants: { directory: tenants }\n';

function accepted(text: string, env: Record<string, string> = {}): DaemonConfig {
  const { config, problems } = parseDaemonFile(text, '/etc/keyproxy/keyproxy.yaml', env);
  expect(describeProblems(problems)).toBe('');
  if (config === undefined) throw new Error('no problem and no configuration');
  return config;
}

function refused(text: string, env: Record<string, string> = {}): string {
  const { config, problems } = parseDaemonFile(text, 'k.yaml', env);
  expect(config).toBeUndefined();
  return describeProblems(problems);
}

test('a file that names only the tenants gets every default', () => {
  expect(accepted(directory)).toEqual({
    environment: 'production',
    listen: [
      {
        transport: 'native',
        kind: 'unix',
        path: '/run/keyproxy/keyproxy.sock',
        mode: 0o660,
        identity: ['socket'],
        peerCredentials: false,
      },
    ],
    http: { port: 9464 },
    tenants: { kind: 'directory', path: '/etc/keyproxy/tenants' },
    trustedEndpoints: [],
    allowLocal: false,
    cacheMaxBytes: 64 * 2 ** 20,
    logLevel: 'info',
    maxMessageBytes: 4 * 2 ** 20,
    callerLimits: { concurrentCalls: 4096, callsPerSecond: Number.POSITIVE_INFINITY, failedDecryptionsPerMinute: 1200 },
    maxConnections: 1024,
    policy: { kind: 'rules', rules: [{ callers: ['socket'], tenants: ['*'], operations: ['*'] }] },
    audit: { sink: { kind: 'stdout' }, onFailure: 'refuse' },
    identity: {},
    authorities: {},
  });
});

test('every key that a file says wins over its default', () => {
  const text = `
environment: staging
listen:
  - { unix: run/k.sock, mode: "0666", transport: grpc-js, identity: socket }
  - { tcp: "[::1]:50051", identity: insecure_loopback }
http: { address: 0.0.0.0:9999 }
tenants: { directory: /srv/tenants }
trusted_endpoints: [ "http://127.0.0.1:4566/" ]
allow_local: true
cache: { max_bytes: 1GiB }
limits: { max_message_bytes: 1048576, concurrent_calls: 7, calls_per_second: 9, failed_decryptions_per_minute: 13, connections: 11 }
policy: policy.yaml
segregation: { staging: { key_prefix: stage- } }
log: { level: debug }
tracing: { endpoint: http://127.0.0.1:4318/v1/traces, sample_ratio: 0.5 }
aws: { sts_endpoint: "http://127.0.0.1:4566" }
azure: { authority_host: "https://login.microsoftonline.us" }
gcp: { oauth2_endpoint: "https://oauth2.example.com", sts_endpoint: "https://sts.example.com", iam_endpoint: "https://iam.example.com" }
audit: { path: audit.jsonl, on_failure: continue, max_file_bytes: 1MiB, retention_days: 30 }
identity:
  token: { issuer: https://cluster, jwks_uri: https://cluster/openid/v1/jwks }
  mtls: { cert: tls.crt, key: tls.key, ca: /ca.crt, trust_domain: example.org }
workers: 1
`;
  expect(accepted(text)).toEqual({
    environment: 'staging',
    listen: [
      {
        transport: 'grpc-js',
        kind: 'unix',
        path: '/etc/keyproxy/run/k.sock',
        mode: 0o666,
        identity: ['socket'],
        peerCredentials: false,
      },
      { transport: 'native', kind: 'tcp', host: '::1', port: 50051, identity: ['insecure_loopback'] },
    ],
    http: { host: '0.0.0.0', port: 9999 },
    tenants: { kind: 'directory', path: '/srv/tenants' },
    trustedEndpoints: ['http://127.0.0.1:4566'],
    allowLocal: true,
    cacheMaxBytes: 2 ** 30,
    logLevel: 'debug',
    tracing: { endpoint: 'http://127.0.0.1:4318/v1/traces', sampleRatio: 0.5 },
    maxMessageBytes: 2 ** 20,
    callerLimits: { concurrentCalls: 7, callsPerSecond: 9, failedDecryptionsPerMinute: 13 },
    maxConnections: 11,
    policy: { kind: 'file', path: '/etc/keyproxy/policy.yaml' },
    segregation: new Map([['staging', { keyPrefix: 'stage-', requiredTags: new Map(), approvalRequired: false }]]),
    audit: {
      sink: { kind: 'file', path: '/etc/keyproxy/audit.jsonl', maxFileBytes: 2 ** 20, retentionDays: 30 },
      onFailure: 'continue',
    },
    identity: {
      token: { issuer: 'https://cluster', audience: 'keyproxy', jwks: { uri: 'https://cluster/openid/v1/jwks' } },
      mtls: {
        ...{ cert: '/etc/keyproxy/tls.crt', key: '/etc/keyproxy/tls.key', ca: '/ca.crt' },
        trustDomain: 'example.org',
      },
    },
    authorities: {
      awsSts: 'http://127.0.0.1:4566',
      azure: 'https://login.microsoftonline.us',
      gcpOauth2: 'https://oauth2.example.com',
      gcpSts: 'https://sts.example.com',
      gcpIam: 'https://iam.example.com',
    },
  });
});

describe('a listener is refused', () => {
  test.each([
    ['without unix or tcp', '{ mode: "0600" }', /listen\[0\].unix: an entry of listen has either/],
    ['with both', '{ unix: a, tcp: "127.0.0.1:1" }', /either unix .* or tcp/],
    ['on TCP without an identity', '{ tcp: "127.0.0.1:1" }', /listen\[0\].identity: is missing; .*insecure_loopback/],
    [
      'on TCP as on a Unix socket',
      '{ tcp: "127.0.0.1:1", identity: socket }',
      /socket does not go with tcp; use token/,
    ],
    [
      'with mtls on a Unix socket',
      '{ unix: a, identity: mtls }',
      /identity: mtls does not go with unix; use socket, token/,
    ],
    ['with no mode at all', '{ tcp: "127.0.0.1:1", identity: [] }', /identity: is empty; it must be one of/],
    ['with one mode twice', '{ unix: a, identity: [token, token] }', /identity: names the same mode twice/],
    [
      'with mtls on native',
      '{ tcp: ":1", identity: mtls, transport: native }',
      /transport: mtls needs transport: grpc-js/,
    ],
    [
      'anonymous with TLS',
      '{ tcp: ":1", identity: [mtls, insecure_loopback] }',
      /mtls and insecure_loopback do not go/,
    ],
    ['with tokens that cannot be checked', '{ unix: a, identity: token }', /identity.token must be there/],
    ['with certificates that cannot be', '{ tcp: ":1", identity: mtls }', /identity.mtls must be there/],
    ['with tokens and no TLS beyond loopback', '{ tcp: ":1", identity: token }', /tcp: is not a loopback address/],
    [
      'without a policy for its callers',
      '{ unix: a, identity: [socket, token] }',
      /policy: is missing.*by token may do/,
    ],
    ['beyond loopback', '{ tcp: "10.0.0.1:1", identity: insecure_loopback }', /tcp: is not a loopback address.*TLS/],
    ['on every interface', '{ tcp: ":1", identity: insecure_loopback }', /tcp: is not a loopback address/],
    ['with a mode that YAML reads as decimal', '{ unix: a, mode: 0660 }', /mode: must stand in quotes/],
    ['with a mode that is no octal number', '{ unix: a, mode: "0990" }', /mode: must be three octal digits/],
    [
      'with a port that does not exist',
      '{ tcp: "127.0.0.1:65536", identity: insecure_loopback }',
      /tcp: must be an address/,
    ],
    ['with a path that no socket address holds', `{ unix: /${'a'.repeat(107)} }`, /longer than the 107 bytes/],
  ])('%s', (_, entry, message) => {
    expect(refused(`${directory}listen:\n  - ${entry}\n`)).toMatch(message);
  });

  test('twice on one address, and none at all', () => {
    expect(refused(`${directory}listen: [{ unix: a }, { unix: a }]\n`)).toMatch(/listen: names the same address twice/);
    expect(refused(`${directory}listen: []\n`)).toMatch(/listen: is empty/);
  });
});

test('the kernel is asked for the peer where a Unix socket of the native transport says so, and nowhere else', () => {
  const listen = (entry: string) => `${directory}listen: [${entry}]\n`;
  expect(accepted(listen('{ unix: a, peer_credentials: true }')).listen).toMatchObject([{ peerCredentials: true }]);
  expect(refused(listen('{ unix: a, peer_credentials: true, transport: grpc-js }'))).toMatch(/needs transport: native/);
  expect(refused(listen('{ tcp: "127.0.0.1:1", identity: insecure_loopback, peer_credentials: true }'))).toMatch(
    /peer_credentials: does not go with tcp/,
  );
});

test('a listener is served by keyproxy itself unless it names grpc-js', () => {
  const text = `${directory}listen: [{ unix: a }, { unix: b, transport: native }, { unix: c, transport: grpc-js }]\n`;
  expect(accepted(text).listen.map(({ transport }) => transport)).toEqual(['native', 'native', 'grpc-js']);
  expect(refused(`${directory}listen: [{ unix: a, transport: http }]\n`)).toMatch(/transport/);
});

test('what later versions have is refused by name and line rather than ignored', () => {
  const lines = refused(`${directory}control: { address: a }\nworkers: 2\n`).split('\n');
  expect(lines.map((line) => line.split(': ').slice(0, 2))).toEqual([
    ['k.yaml:2', 'control'],
    ['k.yaml:3', 'workers'],
  ]);
  for (const line of lines) expect(line).toContain('not in this version of keyproxy');
});

test("the ways of a listener's callers may be several", () => {
  const identity =
    'identity: { token: { issuer: i, jwks_uri: "https://a/b" }, mtls: { cert: c, key: k, ca: a, trust_domain: d } }';
  const listen = 'listen: [{ unix: a, identity: [socket, token] }, { tcp: "0.0.0.0:1", identity: [mtls, token] }]';
  const { listen: found } = accepted(`${directory}policy: p\n${identity}\n${listen}\n`);
  expect(found.map(({ identity: modes, transport }) => [transport, ...modes])).toEqual([
    ['native', 'socket', 'token'],
    ['grpc-js', 'mtls', 'token'],
  ]);
});

test('keys of an issuer come over HTTPS, or from where trusted_endpoints say', () => {
  const token = (uri: string) => `${directory}identity: { token: { issuer: i, jwks_uri: "${uri}" } }\n`;
  expect(refused(token('http://issuer.example.com/keys'))).toMatch(/jwks_uri must begin with https/);
  accepted(`${token('http://issuer.example.com/keys')}trusted_endpoints: ["http://issuer.example.com"]\n`);
});

test('a file without tenants is refused, and nothing can stand in for them but a directory', () => {
  expect(refused('environment: production\n')).toMatch(/^k.yaml:1: tenants: is missing/);
});

test.each([
  ['1MiB', 2 ** 20],
  ['64 MiB', 64 * 2 ** 20],
  ['2097152', 2 ** 21],
  ['1gib', 2 ** 30],
])('a cache of %s has %i bytes', (written, bytes) => {
  expect(accepted(`${directory}cache: { max_bytes: ${written} }\n`).cacheMaxBytes).toBe(bytes);
});

test.each(['64MB', '1', '-1', '65GiB', '1.5GiB', '"1e9"', 'MiB', '[]'])('a cache of %s is refused', (written) => {
  expect(refused(`${directory}cache: { max_bytes: ${written} }\n`)).toMatch(
    /cache.max_bytes: must be a size from 1MiB/,
  );
});

describe('environment variables', () => {
  test('stand over the file, key by key', () => {
    const text = `${directory}policy: p\nlisten: [{ unix: a, mode: "0600" }, { tcp: "127.0.0.1:1", identity: insecure_loopback }]\nlog: { level: warn }\n`;
    const config = accepted(text, {
      KEYPROXY_ENVIRONMENT: 'test',
      KEYPROXY_LISTEN_UNIX: '/tmp/b',
      KEYPROXY_LISTEN_TCP: '127.0.0.1:2',
      KEYPROXY_HTTP_ADDRESS: '127.0.0.1:3',
      KEYPROXY_TENANTS_DIRECTORY: '/tmp/tenants',
      KEYPROXY_CACHE_MAX_BYTES: '8MiB',
      KEYPROXY_LOG_LEVEL: 'trace',
      KEYPROXY_LIMITS_MAX_MESSAGE_BYTES: '65536',
      KEYPROXY_LIMITS_CONNECTIONS: '5',
      KEYPROXY_TRACING_ENDPOINT: 'https://collector:4318/v1/traces',
      KEYPROXY_TRACING_SAMPLE_RATIO: '0.25',
      KEYPROXY_AWS_STS_ENDPOINT: 'https://sts.example.com',
    });
    expect(config).toEqual({
      environment: 'test',
      listen: [
        {
          transport: 'native',
          kind: 'unix',
          path: '/tmp/b',
          mode: 0o600,
          identity: ['socket'],
          peerCredentials: false,
        },
        { transport: 'native', kind: 'tcp', host: '127.0.0.1', port: 2, identity: ['insecure_loopback'] },
      ],
      http: { host: '127.0.0.1', port: 3 },
      tenants: { kind: 'directory', path: '/tmp/tenants' },
      trustedEndpoints: [],
      allowLocal: false,
      cacheMaxBytes: 8 * 2 ** 20,
      logLevel: 'trace',
      tracing: { endpoint: 'https://collector:4318/v1/traces', sampleRatio: 0.25 },
      maxMessageBytes: 65536,
      callerLimits: {
        concurrentCalls: 4096,
        callsPerSecond: Number.POSITIVE_INFINITY,
        failedDecryptionsPerMinute: 1200,
      },
      maxConnections: 5,
      policy: { kind: 'file', path: '/etc/keyproxy/p' },
      audit: { sink: { kind: 'stdout' }, onFailure: 'refuse' },
      identity: {},
      authorities: { awsSts: 'https://sts.example.com' },
    });
  });

  test('give what the file leaves out, and count as absent when they are empty', () => {
    expect(accepted('', { KEYPROXY_TENANTS_DIRECTORY: '/t' }).tenants).toEqual({ kind: 'directory', path: '/t' });
    expect(accepted(directory, { KEYPROXY_LOG_LEVEL: '' }).logLevel).toBe('info');
    expect(accepted(directory, { KEYPROXY_LISTEN_UNIX: '/tmp/s' }).listen).toEqual([
      { transport: 'native', kind: 'unix', path: '/tmp/s', mode: 0o660, identity: ['socket'], peerCredentials: false },
    ]);
  });

  test('are checked like the file, and reported by their names', () => {
    expect(refused(directory, { KEYPROXY_LOG_LEVEL: 'inf' })).toMatch(
      /^environment: KEYPROXY_LOG_LEVEL: must be one of .*did you mean info\?$/,
    );
    expect(refused(directory, { KEYPROXY_LIMITS_CONNECTIONS: 'many' })).toMatch(
      /^environment: KEYPROXY_LIMITS_CONNECTIONS: must be a whole number of connections/,
    );
    expect(refused(directory, { KEYPROXY_LISTEN_TCP: '127.0.0.1:1' })).toMatch(
      /^environment: KEYPROXY_LISTEN_TCP: is missing; .*insecure_loopback$/,
    );
    const twice = `${directory}listen: [{ unix: a }, { unix: b }]\n`;
    expect(refused(twice, { KEYPROXY_LISTEN_UNIX: '/c' })).toMatch(/^environment: KEYPROXY_LISTEN_UNIX: is ambiguous/);
  });

  test('are enough for a sidecar: the mode of its socket, anonymous callers, the tenants that are served', () => {
    const config = accepted('', {
      KEYPROXY_LISTEN_UNIX: '/run/keyproxy/keyproxy.sock',
      KEYPROXY_LISTEN_UNIX_MODE: '0666',
      KEYPROXY_LISTEN_TCP: '127.0.0.1:50051',
      KEYPROXY_LISTEN_TCP_IDENTITY: 'insecure_loopback',
      KEYPROXY_ALLOW_ANONYMOUS: 'true',
      KEYPROXY_TENANTS_DIRECTORY: '/etc/keyproxy/tenants',
      KEYPROXY_TENANTS: 'acme, globex',
    });
    expect(config.listen).toMatchObject([
      { kind: 'unix', path: '/run/keyproxy/keyproxy.sock', mode: 0o666, identity: ['socket'] },
      { kind: 'tcp', host: '127.0.0.1', port: 50_051, identity: ['insecure_loopback'] },
    ]);
    expect(config.tenants).toEqual({ kind: 'directory', path: '/etc/keyproxy/tenants', only: ['acme', 'globex'] });
    expect(config.policy).toEqual({
      kind: 'rules',
      rules: [{ callers: ['socket', 'anonymous'], tenants: ['*'], operations: ['*'] }],
    });
  });

  test.each([
    [{ KEYPROXY_TENANTS: 'acme,,globex' }, /KEYPROXY_TENANTS: must be 1 to 128 characters/],
    [{ KEYPROXY_ALLOW_ANONYMOUS: 'yes' }, /KEYPROXY_ALLOW_ANONYMOUS: must be true or false/],
    [
      { KEYPROXY_LISTEN_UNIX: '/s', KEYPROXY_LISTEN_UNIX_MODE: '0999' },
      /KEYPROXY_LISTEN_UNIX_MODE: must be three octal/,
    ],
    [
      { KEYPROXY_LISTEN_UNIX_MODE: '0666' },
      /no unix listener for it; name one in the file, or by KEYPROXY_LISTEN_UNIX$/,
    ],
    [{ KEYPROXY_LISTEN_TCP_IDENTITY: 'token' }, /no tcp listener for it; .* KEYPROXY_LISTEN_TCP$/],
    [{ KEYPROXY_ALLOW_ANONYMOUS: 'true', KEYPROXY_POLICY: '/p' }, /does not go with a policy/],
    [
      { KEYPROXY_LISTEN_TCP: '127.0.0.1:1', KEYPROXY_LISTEN_TCP_IDENTITY: 'insecure_loopback' },
      /policy: is missing; without a policy callers by insecure_loopback may do nothing/,
    ],
  ])('that do not fit are refused: %j', (env, message) => {
    expect(refused(directory, env)).toMatch(message);
  });

  test('are a problem where somebody means to set a policy', () => {
    expect(refused(directory, { KEYPROXY_POLICY_FILE: '/p' })).toMatch(
      /KEYPROXY_POLICY_FILE: is unknown; the policy is/,
    );
  });

  test('warn when nobody reads them, but for those of clients and of Kubernetes', () => {
    const env = {
      KEYPROXY_LOGLEVEL: 'debug',
      KEYPROXY_ADDRESS: 'unix:///s',
      KEYPROXY_PORT: 'tcp://10.0.0.1:50051',
      KEYPROXY_PORT_50051_TCP_ADDR: '10.0.0.1',
      KEYPROXY_SERVICE_HOST: '10.0.0.1',
      KEYPROXY_CONTROL_SERVICE_PORT_GRPC: '1',
    };
    const { warnings, problems } = parseDaemonFile(directory, 'k.yaml', env);
    expect(problems).toEqual([]);
    expect(describeProblems(warnings)).toBe(
      'environment: KEYPROXY_LOGLEVEL: is unknown and ignored; did you mean KEYPROXY_LOG_LEVEL?',
    );
  });
});

describe('development', () => {
  test('runs without a file: two tenants under one key, a private socket, loopback only', () => {
    const { config, problems, warnings } = developmentConfig('/srv', {});
    expect([...problems, ...warnings]).toEqual([]);
    expect(config).toMatchObject({
      environment: 'development',
      listen: [
        {
          transport: 'native',
          kind: 'unix',
          path: '/srv/.keyproxy-dev/keyproxy.sock',
          mode: 0o600,
          identity: ['socket'],
        },
        { transport: 'native', kind: 'tcp', host: '127.0.0.1', port: 50051, identity: ['insecure_loopback'] },
      ],
      http: { host: '127.0.0.1', port: 9464 },
      allowLocal: true,
      policy: { kind: 'rules', rules: [{ callers: ['socket', 'anonymous'], tenants: ['*'], operations: ['*'] }] },
    });
    if (config?.tenants.kind !== 'embedded') throw new Error('the tenants are not built in');
    expect(config.tenants.tenants.map(({ tenantId, key }) => ({ tenantId, key }))).toEqual(
      ['demo', 'demo-2'].map((tenantId) => ({
        tenantId,
        key: { provider: 'local', keyName: 'keyproxy-dev', keyFile: '/srv/.keyproxy-dev/cmk.key' },
      })),
    );
  });

  test('follows the environment', () => {
    const { config } = developmentConfig('/srv', {
      KEYPROXY_LISTEN_TCP: '127.0.0.1:7',
      KEYPROXY_HTTP_ADDRESS: '127.0.0.1:8',
      KEYPROXY_TENANTS_DIRECTORY: 'tenants',
    });
    expect(config?.listen[1]).toMatchObject({ port: 7, identity: ['insecure_loopback'] });
    expect(config?.http.port).toBe(8);
    expect(config?.tenants).toEqual({ kind: 'directory', path: '/srv/tenants' });
    expect(developmentConfig('/srv', { KEYPROXY_HTTP_ADDRESS: 'x' }).problems).toHaveLength(1);
  });
});
