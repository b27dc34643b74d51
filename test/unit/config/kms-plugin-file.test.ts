/** The file of `keyproxy kms-plugin`: everything that is wrong at once, with its line. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseKmsPluginFile } from '../../../src/config/kms-plugin-file.ts';
import { describeProblems } from '../../../src/config/problem.ts';

const least = `listen: /run/keyproxy/kms.sock
tenant: byok_config.yaml
state: /var/lib/keyproxy
`;

const parse = (text: string) => parseKmsPluginFile(text, '/etc/keyproxy/kms-plugin.yaml');

test('three keys are enough; the socket is its owner alone to open, metrics stay on the node', () => {
  const { config, problems } = parse(least);
  expect(problems).toEqual([]);
  expect(config).toMatchObject({
    generation: 1,
    healthIntervalMs: 60_000,
    daemon: {
      listen: [
        { kind: 'unix', path: '/run/keyproxy/kms.sock', mode: 0o600, transport: 'native', identity: ['socket'] },
      ],
      tenants: { kind: 'file', path: '/etc/keyproxy/byok_config.yaml' },
      stateDirectory: '/var/lib/keyproxy',
      http: { host: '127.0.0.1', port: 9464 },
      logLevel: 'info',
      allowLocal: false,
      policy: { kind: 'rules', rules: [{ callers: ['socket'], tenants: ['*'], operations: ['encrypt', 'decrypt'] }] },
      audit: { sink: { kind: 'stdout' }, onFailure: 'refuse' },
    },
  });
});

test('what is wrong is told all at once, unknown keys by name', () => {
  const { config, problems } = parse(`listen: [/run/kms.sock]
tenants: byok_config.yaml
state: /var/lib/keyproxy
generation: 0
health: { interval_seconds: 1000, timeout: 3 }
http: { address: nowhere }
log: { level: loud }
`);
  expect(config).toBeUndefined();
  expect(describeProblems(problems).split('\n')).toEqual([
    '/etc/keyproxy/kms-plugin.yaml:1: listen: must be a path',
    '/etc/keyproxy/kms-plugin.yaml:1: tenant: is missing; it must be a path',
    '/etc/keyproxy/kms-plugin.yaml:2: tenants: is an unknown key; did you mean tenant?',
    '/etc/keyproxy/kms-plugin.yaml:4: generation: is 0; it must be a whole number from 1 to 999999',
    '/etc/keyproxy/kms-plugin.yaml:5: health.interval_seconds: is 1000; it must be a whole number of seconds from 5 to 300',
    '/etc/keyproxy/kms-plugin.yaml:5: health.timeout: is an unknown key; known here: interval_seconds',
    '/etc/keyproxy/kms-plugin.yaml:6: http.address: must be an address as IP:port ("127.0.0.1:50051", "[::1]:50051"), or :port for every interface',
    '/etc/keyproxy/kms-plugin.yaml:7: log.level: must be one of trace, debug, info, warn, error, fatal',
  ]);
});

test('a socket whose address has no room for its path is refused', () => {
  const { problems } = parse(least.replace('/run/keyproxy', `/run/${'k'.repeat(100)}`));
  expect(problems.map(({ path, message }) => `${path} ${message}`)).toEqual([
    "listen is longer than the 107 bytes that a socket's address holds",
  ]);
});

test('the example of deploy/kms-plugin is sound, and its other files name the same places', () => {
  const read = (name: string) => readFileSync(resolve(import.meta.dirname, '../../../deploy/kms-plugin', name), 'utf8');
  const { config, problems } = parse(read('kms-plugin.yaml'));
  expect(problems).toEqual([]);
  const [listener] = config?.daemon.listen ?? [];
  const socket = listener?.kind === 'unix' ? listener.path : '';
  expect(read('encryption-configuration.yaml')).toContain(`endpoint: unix://${socket}\n`);
  const pod = read('static-pod.yaml');
  expect(pod).toContain(`mountPath: ${socket.replace(/\/[^/]+$/, '')} }`);
  expect(pod).toContain(`mountPath: ${config?.daemon.stateDirectory} }`);
  expect(pod.match(/port: (\d+)/g)).toEqual([`port: ${config?.daemon.http.port}`, `port: ${config?.daemon.http.port}`]);
});
