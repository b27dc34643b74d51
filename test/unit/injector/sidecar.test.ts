import { describe, expect, test } from 'vitest';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';
import { decide } from '../../../src/injector/inject.ts';
import { podSettings } from '../../support/pod-shapes.ts';

interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly [more: string]: unknown;
}

/** keyproxy's container in a pod with these annotations, without their prefix. */
function containerFor(wishes: Readonly<Record<string, string>>, settings = podSettings): Container {
  const annotations = Object.fromEntries(Object.entries(wishes).map(([name, value]) => [`keyproxy.io/${name}`, value]));
  const metadata = { labels: { 'keyproxy.io/inject': 'true' }, annotations };
  const decision = decide({ metadata, spec: { containers: [{ name: 'app' }] } }, settings);
  if (decision.kind !== 'injected') throw new Error('the pod was not injected');
  const added = decision.patch.find(({ path }) => path === '/spec/initContainers')?.value as readonly [Container];
  return JSON.parse(JSON.stringify(added[0]));
}

const variables = (container: Container) => Object.fromEntries(container.env.map(({ name, value }) => [name, value]));

test('without annotations the container is what the operator has set', () => {
  const container = containerFor({});
  expect(container).toMatchObject({
    ...{ image: 'keyproxy:0.1.0', imagePullPolicy: 'IfNotPresent', args: ['serve', '--from-env'] },
    resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '192Mi' } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  });
  expect(variables(container)).toEqual({
    KEYPROXY_LISTEN_UNIX: '/run/keyproxy/keyproxy.sock',
    KEYPROXY_LISTEN_UNIX_MODE: '0666',
    KEYPROXY_HTTP_ADDRESS: ':9464',
    KEYPROXY_TENANTS_DIRECTORY: '/etc/keyproxy/tenants',
    KEYPROXY_STATE_DIRECTORY: '/var/lib/keyproxy',
    KEYPROXY_LOG_LEVEL: 'info',
  });
});

test.each<[Readonly<Record<string, string>>, object, object]>([
  [{ tenants: 'acme, globex ,acme' }, {}, { KEYPROXY_TENANTS: 'acme,globex' }],
  [{ image: 'r.example.com/keyproxy:2' }, { image: 'r.example.com/keyproxy:2' }, {}],
  [{ 'log-level': 'debug' }, {}, { KEYPROXY_LOG_LEVEL: 'debug' }],
  [
    { tcp: 'true' },
    {},
    {
      KEYPROXY_LISTEN_TCP: '127.0.0.1:50051',
      KEYPROXY_LISTEN_TCP_IDENTITY: 'insecure_loopback',
      KEYPROXY_ALLOW_ANONYMOUS: 'true',
    },
  ],
  [
    { 'requests-cpu': '1', 'limits-memory': '1Gi' },
    { resources: { requests: { cpu: '1', memory: '96Mi' }, limits: { memory: '1Gi' } } },
    {},
  ],
])('the annotations %j change what they say', (wishes, container, env) => {
  const made = containerFor(wishes);
  expect(made).toMatchObject(container);
  expect(variables(made)).toEqual({ ...variables(containerFor({})), ...env });
});

test('the ConfigMap is the one that the pod names', () => {
  const metadata = { labels: { 'keyproxy.io/inject': 'true' }, annotations: { 'keyproxy.io/config': 'byok' } };
  const decision = decide({ metadata, spec: { containers: [{ name: 'app' }] } }, podSettings);
  const volumes = decision.kind === 'injected' && decision.patch.find(({ path }) => path === '/spec/volumes')?.value;
  expect(volumes).toContainEqual({ name: 'keyproxy-tenants', configMap: { name: 'byok' } });
});

test('credentials are in volumes that the sidecar alone has, where tenants’ files look for them', () => {
  const annotations = {
    'keyproxy.io/vault-tokens': 'acme=vault://acme, globex=vault://g?a=b',
    'keyproxy.io/secrets': 'byok',
  };
  const pod = {
    metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations },
    spec: { containers: [{ name: 'app' }] },
  };
  const decision = decide(pod, podSettings);
  if (decision.kind !== 'injected') throw new Error('the pod was not injected');
  const value = (path: string) => decision.patch.find((step) => step.path === path)?.value;
  const token = (path: string, audience: string) => ({
    serviceAccountToken: { path, audience, expirationSeconds: 3600 },
  });
  const sources = [token('acme', 'vault://acme'), token('globex', 'vault://g?a=b')];
  expect(value('/spec/volumes')).toEqual(
    expect.arrayContaining([
      { name: 'keyproxy-vault-tokens', projected: { sources } },
      { name: 'keyproxy-secrets', secret: { secretName: 'byok' } },
    ]),
  );
  expect(containerFor({ 'vault-tokens': 'acme=vault://acme', secrets: 'byok' })['volumeMounts']).toEqual(
    expect.arrayContaining([
      { name: 'keyproxy-vault-tokens', mountPath: '/var/run/secrets/keyproxy/tokens', readOnly: true },
      { name: 'keyproxy-secrets', mountPath: '/var/run/secrets/keyproxy/files', readOnly: true },
    ]),
  );
  expect(value('/spec/containers/0/volumeMounts')).toEqual([
    { name: 'keyproxy-socket', mountPath: '/run/keyproxy', readOnly: true },
  ]);
  const source = ['tenant_id: acme', 'customer: acme', 'encryption:', '  provider: vault', '  vault:'];
  const auth = '{ method: kubernetes, role: keyproxy, audience: "vault://acme" }';
  const rest = ['    address: https://vault.acme.example', '    key_name: cmk', `    auth: ${auth}`];
  const { config, problems } = parseTenantFile([...source, ...rest].join('\n'), 'acme.yaml', {
    allowLocal: false,
    trustedEndpoints: [],
  });
  expect(problems).toEqual([]);
  expect(JSON.stringify(config)).toContain('"tokenFile":"/var/run/secrets/keyproxy/tokens/acme"');
});

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, what of it is a container's. */
describe('the container meets the Pod Security level restricted', () => {
  const { securityContext } = containerFor({}, { ...podSettings, runAsUser: 4711 });

  test.each(['allowPrivilegeEscalation', 'privileged'])('%s is off', (name) => {
    expect(securityContext).toHaveProperty(name, false);
  });

  test('no capability, a seccomp profile, a user that is not root, and a root that nobody writes to', () => {
    expect(securityContext).toMatchObject({
      ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
      ...{ runAsNonRoot: true, runAsUser: 4711, runAsGroup: 4711, readOnlyRootFilesystem: true },
    });
  });
});

test('every probe asks the port that the container listens on', () => {
  const { env: _env, ports, ...container } = containerFor({}, { ...podSettings, httpPort: 8081 });
  expect(ports).toEqual([{ name: 'keyproxy-http', containerPort: 8081, protocol: 'TCP' }]);
  for (const [name, path] of [
    ['startupProbe', '/readyz'],
    ['readinessProbe', '/readyz'],
    ['livenessProbe', '/livez'],
  ] as const) {
    expect(container[name]).toMatchObject({ httpGet: { path, port: 8081 } });
  }
});
