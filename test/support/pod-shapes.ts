/**
 * Pods of many shapes, each with what must become of it under `podSettings`: native sidecars, port 9464. One table for the
 * unit tests and for those with a real API server, so every pod is one that an API server takes.
 */
import type { SidecarSettings } from '../../src/injector/settings.ts';

export interface PodShape {
  readonly name: string;
  readonly pod: Readonly<Record<string, unknown>>;
  readonly expect: 'injected' | 'refused';
  /** Of a refusal: what its message must tell. */
  readonly because?: RegExp;
  /** Of an injection: whether the pod's author has something to learn. */
  readonly warns?: RegExp;
  /** Names of the containers, init containers too, that get the socket; all of the pod's where it is absent. */
  readonly served?: readonly string[];
}

/** The settings under which the table holds. */
export const podSettings: SidecarSettings = {
  image: 'keyproxy:0.1.0',
  imagePullPolicy: 'IfNotPresent',
  form: 'native',
  logLevel: 'info',
  resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '192Mi' } },
  httpPort: 9464,
  runAsUser: 65_532,
};

type Json = Readonly<Record<string, unknown>>;

interface Parts {
  readonly spec?: Json;
  readonly annotations?: Json;
  readonly metadata?: Json;
}

const app: Json = { name: 'app', image: 'registry.example.com/app:1' };

/** A container like `app`, with more. */
function container(more: Json = {}): Json {
  return { ...app, ...more };
}

function podOf({ spec = {}, annotations, metadata = {} }: Parts): Json {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'orders',
      labels: { app: 'orders', 'keyproxy.io/inject': 'true' },
      ...(annotations && { annotations }),
      ...metadata,
    },
    spec: { containers: [app], ...spec },
  };
}

/** Annotations of keyproxy by their names without the prefix. */
function asking(wishes: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(Object.entries(wishes).map(([name, value]) => [`keyproxy.io/${name}`, value]));
}

function injected(name: string, parts: Parts, more: Partial<PodShape> = {}): PodShape {
  return { name, pod: podOf(parts), expect: 'injected', ...more };
}

function refused(name: string, because: RegExp, parts: Parts): PodShape {
  return { name, pod: podOf(parts), expect: 'refused', because };
}

const emptyDir = { name: 'data', emptyDir: {} };

const plain: readonly PodShape[] = [
  injected('one container and nothing else', {}),
  injected('two containers', { spec: { containers: [app, container({ name: 'log' })] } }),
  injected('five containers', { spec: { containers: [1, 2, 3, 4, 5].map((n) => container({ name: `c${n}` })) } }),
  injected('a container with variables', { spec: { containers: [container({ env: [{ name: 'A', value: '1' }] })] } }),
  injected('a container whose variables are an empty list', { spec: { containers: [container({ env: [] })] } }),
  injected('a variable that refers to the address', {
    spec: { containers: [container({ env: [{ name: 'TARGET', value: '$(KEYPROXY_ADDRESS)' }] })] },
  }),
  injected('variables from a ConfigMap', {
    spec: { containers: [container({ envFrom: [{ configMapRef: { name: 'settings' } }] })] },
  }),
  injected('the right address already', {
    spec: {
      containers: [container({ env: [{ name: 'KEYPROXY_ADDRESS', value: 'unix:///run/keyproxy/keyproxy.sock' }] })],
    },
  }),
  injected('a volume that is mounted', {
    spec: { volumes: [emptyDir], containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/data' }] })] },
  }),
  injected('a volume that nobody mounts', { spec: { volumes: [emptyDir] } }),
  injected('empty lists of volumes and init containers', { spec: { volumes: [], initContainers: [] } }),
  injected('a volume at /run, above the socket', {
    spec: { volumes: [emptyDir], containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/run' }] })] },
  }),
  injected('a volume beside the socket, at /run/keyproxy-cache', {
    spec: {
      volumes: [emptyDir],
      containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/run/keyproxy-cache' }] })],
    },
  }),
  injected('a projected token', {
    spec: {
      volumes: [
        { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
      ],
      containers: [container({ volumeMounts: [{ name: 'token', mountPath: '/var/run/token', readOnly: true }] })],
    },
  }),
  injected('annotations of others, with slashes', {
    annotations: { 'example.com/a_b': 'x', 'prometheus.io/scrape': 'true' },
  }),
  injected('a status that a template was copied with', { annotations: asking({ status: 'injected' }) }),
  injected('a status of somebody else', { annotations: asking({ status: 'whatever' }) }),
  injected('a generated name, as controllers have it', {
    metadata: { name: undefined, generateName: 'orders-7d4b9-' },
  }),
];

const initContainers: readonly PodShape[] = [
  injected('an init container', { spec: { initContainers: [container({ name: 'migrate' })] } }),
  injected('three init containers', {
    spec: { initContainers: ['one', 'two', 'three'].map((name) => container({ name })) },
  }),
  injected('another native sidecar', {
    spec: { initContainers: [container({ name: 'mesh', restartPolicy: 'Always' })] },
  }),
  injected('an init container between native sidecars', {
    spec: {
      initContainers: [
        container({ name: 'mesh', restartPolicy: 'Always' }),
        container({ name: 'migrate', env: [{ name: 'A', value: '1' }] }),
        container({ name: 'logs', restartPolicy: 'Always' }),
      ],
    },
  }),
];

const lives: readonly PodShape[] = [
  injected('a job: restartPolicy Never', { spec: { restartPolicy: 'Never' } }),
  injected('a job: restartPolicy OnFailure', { spec: { restartPolicy: 'OnFailure', activeDeadlineSeconds: 600 } }),
  injected('a stateful pod with a host name', { spec: { hostname: 'orders-0', subdomain: 'orders' } }),
  injected('a long grace period', { spec: { terminationGracePeriodSeconds: 600 } }),
  injected('a node selector and tolerations', {
    spec: {
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
    },
  }),
  injected('an affinity that lets it run on Linux too', {
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [['windows'], ['linux', 'windows']].map((values) => ({
              matchExpressions: [{ key: 'kubernetes.io/os', operator: 'In', values }],
            })),
          },
        },
      },
    },
  }),
  injected('the port of the metrics by protocols that keyproxy does not speak', {
    spec: {
      containers: [container({ ports: ['UDP', 'SCTP'].map((protocol) => ({ containerPort: 9464, protocol })) })],
    },
  }),
  injected('an operating system by name', { spec: { os: { name: 'linux' } } }),
  injected('probes and hooks of its own', {
    spec: {
      containers: [
        container({
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { path: '/', port: 8080 } },
          lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
        }),
      ],
    },
  }),
];

const security: readonly PodShape[] = [
  injected('a pod that runs as root', { spec: { securityContext: { runAsUser: 0 } } }),
  injected('a pod that runs as a user and a group', {
    spec: { securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000, runAsNonRoot: true } },
  }),
  injected('containers of several users', {
    spec: {
      containers: [
        container({ securityContext: { runAsUser: 1001 } }),
        container({ name: 'log', securityContext: { runAsUser: 1002 } }),
      ],
    },
  }),
  injected('a restricted pod', {
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        container({ securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }),
      ],
    },
  }),
  injected('a privileged container', { spec: { containers: [container({ securityContext: { privileged: true } })] } }),
  injected('no token of its service account', { spec: { automountServiceAccountToken: false } }),
  injected('a shared process namespace', { spec: { shareProcessNamespace: true } }, { warns: /shareProcessNamespace/ }),
  injected('the processes of its node', { spec: { hostPID: true } }, { warns: /hostPID/ }),
];

const wishes: readonly PodShape[] = [
  injected('a ConfigMap and tenants', { annotations: asking({ config: 'byok-tenants', tenants: 'acme, globex' }) }),
  injected(
    'one container of two',
    {
      annotations: asking({ containers: 'app' }),
      spec: { containers: [app, container({ name: 'log' })] },
    },
    { served: ['app'] },
  ),
  injected(
    'an init container alone',
    {
      annotations: asking({ containers: 'migrate' }),
      spec: { initContainers: [container({ name: 'migrate' })] },
    },
    { served: ['migrate'] },
  ),
  injected('loopback', { annotations: asking({ tcp: 'true' }) }),
  injected('no loopback, in words', { annotations: asking({ tcp: 'false' }) }),
  injected('an image by digest', {
    annotations: asking({ image: `registry.example.com:5000/keyproxy@sha256:${'a'.repeat(64)}` }),
  }),
  injected('a talkative log', { annotations: asking({ 'log-level': 'debug' }) }),
  injected('resources of its own', {
    annotations: asking({
      'requests-cpu': '0.1',
      'requests-memory': '128Mi',
      'limits-cpu': '500m',
      'limits-memory': '1Gi',
    }),
  }),
  injected('tokens for two Vaults', {
    annotations: asking({ 'vault-tokens': 'acme=vault://acme, globex=https://vault.globex.example' }),
  }),
  injected('credentials in files', { annotations: asking({ secrets: 'byok-credentials' }) }),
  injected(
    'an annotation that does not exist',
    { annotations: asking({ tenant: 'acme' }) },
    { warns: /keyproxy\.io\/tenant"/ },
  ),
];

const impossible: readonly PodShape[] = [
  refused('the network of its node', /hostNetwork/, { spec: { hostNetwork: true } }),
  refused('Windows by name', /Windows/, { spec: { os: { name: 'windows' } } }),
  refused('Windows by node selector', /Windows/, { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } }),
  refused('Windows by affinity', /Windows/, {
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: ['a', 'b'].map((zone) => ({
              matchExpressions: [
                { key: 'zone', operator: 'In', values: [zone] },
                { key: 'kubernetes.io/os', operator: 'In', values: ['windows'] },
              ],
            })),
          },
        },
      },
    },
  }),
  refused('the port of the metrics', /container app has the port 9464/, {
    spec: { containers: [container({ ports: [{ containerPort: 9464 }] })] },
  }),
  refused('the port of loopback', /container app has the port 50051/, {
    annotations: asking({ tcp: 'true' }),
    spec: { containers: [container({ ports: [{ containerPort: 50_051 }] })] },
  }),
  refused('a container keyproxy of its own', /container keyproxy of its own/, {
    spec: { containers: [app, container({ name: 'keyproxy' })] },
  }),
  refused('an init container keyproxy of its own', /container keyproxy of its own/, {
    spec: { initContainers: [container({ name: 'keyproxy' })] },
  }),
  refused('a volume keyproxy-socket of its own', /volume keyproxy-socket that is not keyproxy's/, {
    spec: { volumes: [{ name: 'keyproxy-socket', emptyDir: {} }] },
  }),
  refused('a volume keyproxy-tenants of its own', /volume keyproxy-tenants that is not keyproxy's/, {
    spec: { volumes: [{ name: 'keyproxy-tenants', configMap: { name: 'another' } }] },
  }),
  refused('a mount where the socket is', /container app mounts data at \/run\/keyproxy,/, {
    spec: {
      volumes: [emptyDir],
      containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/run/keyproxy' }] })],
    },
  }),
  refused('a mount below the socket, by another name of it', /at \/var\/run\/keyproxy\/cache\/,/, {
    spec: {
      volumes: [emptyDir],
      containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/var/run/keyproxy/cache/' }] })],
    },
  }),
  refused('a mount of the folder in a roundabout spelling', /at \/run\/\.\/\/keyproxy,/, {
    spec: {
      volumes: [emptyDir],
      containers: [container({ volumeMounts: [{ name: 'data', mountPath: '/run/.//keyproxy' }] })],
    },
  }),
  refused('a mount of the socket that can be written to', /mounts keyproxy's volume keyproxy-socket itself/, {
    spec: {
      volumes: [{ name: 'keyproxy-socket', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [container({ volumeMounts: [{ name: 'keyproxy-socket', mountPath: '/elsewhere' }] })],
    },
  }),
  refused('a mount of the socket at another name of its folder', /mounts keyproxy's volume keyproxy-socket itself/, {
    spec: {
      volumes: [{ name: 'keyproxy-socket', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [
        container({ volumeMounts: [{ name: 'keyproxy-socket', mountPath: '/var/run/keyproxy', readOnly: true }] }),
      ],
    },
  }),
  refused('a mount of the folder without its first slash', /container app mounts data at run\/keyproxy,/, {
    spec: {
      volumes: [emptyDir],
      containers: [container({ volumeMounts: [{ name: 'data', mountPath: 'run/keyproxy' }] })],
    },
  }),
  ...[
    ['keyproxy-socket', '1Mi'],
    ['keyproxy-state', '16Mi'],
  ].map(([name = '', sizeLimit]) =>
    refused(`a mount of ${name} in a container that is not named`, /container log mounts keyproxy's volume/, {
      annotations: asking({ containers: 'app' }),
      spec: {
        volumes: [{ name, emptyDir: { medium: 'Memory', sizeLimit } }],
        containers: [app, container({ name: 'log', volumeMounts: [{ name, mountPath: '/x' }] })],
      },
    }),
  ),
  refused('a container that is not named and mounts the socket itself', /container log mounts keyproxy's volume/, {
    annotations: asking({ containers: 'app' }),
    spec: {
      volumes: [{ name: 'keyproxy-socket', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [
        app,
        container({
          name: 'log',
          volumeMounts: [{ name: 'keyproxy-socket', mountPath: '/run/keyproxy', readOnly: true }],
        }),
      ],
    },
  }),
  refused('a container that reads the credentials too', /mounts keyproxy's volume keyproxy-secrets itself/, {
    annotations: asking({ secrets: 'byok' }),
    spec: {
      volumes: [{ name: 'keyproxy-secrets', secret: { secretName: 'byok' } }],
      containers: [container({ volumeMounts: [{ name: 'keyproxy-secrets', mountPath: '/elsewhere' }] })],
    },
  }),
  refused('a volume of tokens with another audience', /volume keyproxy-vault-tokens that is not keyproxy's/, {
    annotations: asking({ 'vault-tokens': 'acme=vault://acme' }),
    spec: {
      volumes: [
        {
          name: 'keyproxy-vault-tokens',
          projected: {
            sources: [{ serviceAccountToken: { audience: 'vault://globex', expirationSeconds: 3600, path: 'acme' } }],
          },
        },
      ],
    },
  }),
  refused('another address', /sets KEYPROXY_ADDRESS to something else/, {
    spec: { containers: [container({ env: [{ name: 'KEYPROXY_ADDRESS', value: '127.0.0.1:50051' }] })] },
  }),
  refused('an address from elsewhere', /sets KEYPROXY_ADDRESS to something else/, {
    spec: {
      containers: [
        container({
          env: [{ name: 'KEYPROXY_ADDRESS', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } }],
        }),
      ],
    },
  }),
];

const wrongWishes: readonly PodShape[] = [
  refused('a tenant that cannot be', /keyproxy\.io\/tenants is "acme corp"/, {
    annotations: asking({ tenants: 'acme corp' }),
  }),
  refused('no tenant at all', /keyproxy\.io\/tenants is ""/, { annotations: asking({ tenants: '' }) }),
  refused('a ConfigMap that cannot be', /keyproxy\.io\/config is "Tenants"/, {
    annotations: asking({ config: 'Tenants' }),
  }),
  refused('a token without an audience', /keyproxy\.io\/vault-tokens is "acme"; it must be TENANT=AUDIENCE/, {
    annotations: asking({ 'vault-tokens': 'acme' }),
  }),
  refused('a token for a tenant that cannot be', /keyproxy\.io\/vault-tokens is "\.\.=x"/, {
    annotations: asking({ 'vault-tokens': '..=x' }),
  }),
  refused('two tokens of one tenant', /each tenant once/, {
    annotations: asking({ 'vault-tokens': 'acme=a, acme=b' }),
  }),
  refused('a Secret that cannot be', /keyproxy\.io\/secrets is "a\/b"/, { annotations: asking({ secrets: 'a/b' }) }),
  refused('a container that is not there', /names web, which the pod does not have; it has app/, {
    annotations: asking({ containers: 'web' }),
  }),
  refused('loopback in other words', /keyproxy\.io\/tcp is "yes"; it must be one of true, false/, {
    annotations: asking({ tcp: 'yes' }),
  }),
  refused('an image that cannot be', /keyproxy\.io\/image/, { annotations: asking({ image: 'key proxy' }) }),
  refused('a level that is none', /keyproxy\.io\/log-level is "loud"/, {
    annotations: asking({ 'log-level': 'loud' }),
  }),
  refused('a quantity that is none', /keyproxy\.io\/requests-cpu is "half"/, {
    annotations: asking({ 'requests-cpu': 'half' }),
  }),
  refused('a limit below the request', /request 96Mi of memory and be limited to 64Mi/, {
    annotations: asking({ 'limits-memory': '64Mi' }),
  }),
  refused('several mistakes at once', /log-level.*hostNetwork.*KEYPROXY_ADDRESS/, {
    annotations: asking({ 'log-level': 'loud' }),
    spec: {
      hostNetwork: true,
      containers: [container({ env: [{ name: 'KEYPROXY_ADDRESS', value: 'elsewhere' }] })],
    },
  }),
];

/** All of them; names are unique. */
export const podShapes: readonly PodShape[] = [
  ...plain,
  ...initContainers,
  ...lives,
  ...security,
  ...wishes,
  ...impossible,
  ...wrongWishes,
];
