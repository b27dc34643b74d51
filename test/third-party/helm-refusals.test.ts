/** Values of the chart that make no sense: Helm refuses each before anything is installed, and says what would be right. */
import { describe, expect, it } from 'vitest';
import { render } from './helm/chart.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';

const policy = [{ callers: ['system:serviceaccount:shop:orders'], tenants: ['b'], operations: ['*'] }];
const rule = (part: Readonly<Record<string, readonly string[]>>) => ({ 'node.policy': [{ ...policy[0], ...part }] });
/** A node daemon, whose other values are wrong. */
const daemon = { 'node.enabled': true, 'node.policy': policy };
const certManager = 'injector.certificates.certManager';

type Refusal = readonly [title: string, set: Readonly<Record<string, unknown>>, why: RegExp];

const types: readonly Refusal[] = [
  [
    'a key that there is not',
    { 'injector.replica': 3 },
    /at '\/injector': additional properties 'replica' not allowed/,
  ],
  [
    'another source of certificates',
    { 'injector.certificates.provider': 'vault' },
    /must be one of 'own', 'certManager'/,
  ],
  ['a replica count in quotes', { 'injector.replicas': '3' }, /at '\/injector\/replicas': got string, want integer/],
  ['no injector behind its webhook', { 'injector.replicas': 0 }, /at '\/injector\/replicas': minimum: got 0/],
  ['no such level of logs', { 'sidecar.logLevel': 'verbose' }, /at '\/sidecar\/logLevel': value must be one of/],
  ['a sidecar that runs as root', { 'sidecar.runAsUser': 0 }, /at '\/sidecar\/runAsUser': minimum: got 0/],
  ['a sidecar’s port that it needs itself', { 'sidecar.httpPort': 50_051 }, /at '\/sidecar\/httpPort': 'not' failed/],
  ['an injector’s port that it needs itself', { 'injector.port': 9464 }, /at '\/injector\/port': 'not' failed/],
  ['a port that only root may open', { 'injector.port': 443 }, /at '\/injector\/port': minimum: got 443, want 1,024/],
];

const images: readonly Refusal[] = [
  ['a digest that is none', { 'image.digest': 'latest' }, /at '\/image\/digest': 'latest' does not match pattern/],
  ['an image that is none', { 'sidecar.image': 'A' }, /at '\/sidecar\/image': 'A' does not match pattern/],
  ['a repository that is none', { 'image.repository': 'A b' }, /at '\/image\/repository': 'A b' does not match/],
  ['a repository with a tag', { 'image.repository': 'keyproxy:1.0' }, /at '\/image\/repository': 'keyproxy:1\.0' does/],
];

const amounts: readonly Refusal[] = [
  [
    'a sidecar that requests more than its limit',
    { 'sidecar.resources.requests.memory': '1Gi' },
    /sidecar\.resources: requests 1Gi of memory and limits it to 192Mi; raise the limit/,
  ],
  [
    'a sidecar that requests more than its limit, in numbers',
    { 'sidecar.resources': { requests: { cpu: 1.5 }, limits: { cpu: '1200m' } } },
    /sidecar\.resources: requests 1\.5 of cpu and limits it to 1200m/,
  ],
  [
    'a sidecar that requests more than its limit, in powers of ten',
    { 'sidecar.resources.requests.memory': '1e9' },
    /sidecar\.resources: requests 1e9 of memory and limits it to 192Mi/,
  ],
  [
    'a budget that lets no node be drained',
    { 'injector.podDisruptionBudget.maxUnavailable': 0 },
    /at '\/injector\/podDisruptionBudget\/maxUnavailable': minimum: got 0/,
  ],
  [
    'the same in per cent',
    { 'injector.podDisruptionBudget.maxUnavailable': '0%' },
    /at '\/injector\/podDisruptionBudget\/maxUnavailable': '0%' does not match pattern/,
  ],
  [
    'two daemons on a node during an upgrade',
    { 'node.updateStrategy.rollingUpdate.maxSurge': 1 },
    /at '\/node\/updateStrategy\/rollingUpdate': additional properties 'maxSurge' not allowed/,
  ],
  [
    'a certificate that is to be renewed before it is there',
    {
      'injector.certificates.provider': 'certManager',
      ...{ [`${certManager}.duration`]: '1h30m', [`${certManager}.renewBefore`]: '5400s' },
    },
    /certManager\.renewBefore: 5400s is no less than duration, 1h30m; lower it/,
  ],
  [
    'an injector alone on its node’s network',
    { 'injector.hostNetwork': true, 'injector.replicas': 1 },
    /injector\.hostNetwork: needs injector\.replicas of at least 2/,
  ],
];

const names: readonly Refusal[] = [
  ...['commonLabels', 'injector.podLabels', 'node.podLabels', 'monitoring.labels'].flatMap((place): Refusal[] => [
    [
      `a label of the chart’s own among ${place}`,
      { [place]: { 'app.kubernetes.io/name': 'mine' } },
      /app\.kubernetes\.io~1name': false schema/,
    ],
    [
      `a label among ${place} whose name is none`,
      { [place]: { 'a b': 'mine' } },
      /additional properties 'a b' not allowed/,
    ],
  ]),
  ...['injector', 'node'].flatMap((component) =>
    ['checksum/config', 'kubectl.kubernetes.io/default-container'].map(
      (name): Refusal => [
        `the chart’s annotation ${name} for pods of the ${component}`,
        { [`${component}.podAnnotations`]: { [name]: 'mine' } },
        new RegExp(`at '/${component}/podAnnotations/${name.replace('/', '~1')}': false schema`),
      ],
    ),
  ),
  [
    'a label of dashboards that is none',
    { 'monitoring.dashboards.label': 'grafana: dashboard' },
    /at '\/monitoring\/dashboards\/label': 'grafana: dashboard' does not match pattern/,
  ],
  [
    'a label of dashboards that is the chart’s own',
    { 'monitoring.dashboards.label': 'app.kubernetes.io/part-of' },
    /at '\/monitoring\/dashboards\/label': 'not' failed/,
  ],
  ...['https://runbooks.example.org/ #', 'runbooks: #', '"#'].map(
    (url): Refusal => [
      `runbooks at ${url}`,
      { 'monitoring.rules.runbookUrl': url },
      /at '\/monitoring\/rules\/runbookUrl'/,
    ],
  ),
  ...['tenantsConfigMap', 'secret', 'priorityClassName'].map(
    (name): Refusal => [
      `a name that is none, as node.${name}`,
      { [`node.${name}`]: 'Bad Name}' },
      new RegExp(`at '/node/${name}': 'Bad Name}' does not match pattern`),
    ],
  ),
];

const foreignFolders = ['/var', '/etc', '/var/lib', '/var/lib/kubelet', '/run/../etc', '/var/lib/keyproxy/../kubelet'];

const folders: readonly Refusal[] = [
  ...foreignFolders.flatMap((path) =>
    ['socket', 'state'].map(
      (folder): Refusal => [
        `the node’s own folder ${path} for the ${folder}`,
        { [`node.${folder}.hostPath`]: path },
        new RegExp(`at '/node/${folder}/hostPath': '${path}' does not match pattern`),
      ],
    ),
  ),
  ...['/run/keyproxy', '/run/keyproxy/state', '/var/run/keyproxy'].map(
    (path): Refusal => [
      `the state in the socket’s folder, by ${path}`,
      { ...daemon, 'node.state.hostPath': path },
      /node\.state\.hostPath: .* the same or in each other; .* choose another/,
    ],
  ),
  [
    'the socket in the state’s folder',
    { ...daemon, 'node.socket.hostPath': '/var/lib/keyproxy/socket' },
    /node\.state\.hostPath: .* the same or in each other/,
  ],
];

const daemons: readonly Refusal[] = [
  ['no policy', { 'node.enabled': true }, /node\.policy: is empty; callers by token need at least one rule/],
  [
    'what the chart decides, in its file',
    { ...daemon, 'node.config': { http: {} } },
    /node\.config\.http: is what the chart decides/,
  ],
  [
    'a socket that all pods of a node share without saying who they are',
    { ...daemon, 'node.config': { listen: [{ unix: '/run/keyproxy/open.sock', mode: '0666', identity: 'socket' }] } },
    /node\.config\.listen: is what the chart decides/,
  ],
  [
    'anonymous callers',
    { ...daemon, 'node.config': { allow_anonymous: true } },
    /node\.config\.allow_anonymous: is what the chart decides/,
  ],
  [
    'a key of its file that there is not',
    { 'node.config': { cach: {} } },
    /at '\/node\/config': additional properties 'cach' not allowed/,
  ],
  ['a caller that is none', rule({ callers: ['a'] }), /at '\/node\/policy\/0\/callers\/0': 'a' does not match pattern/],
  ['a caller without a token', rule({ callers: ['socket'] }), /at '\/node\/policy\/0\/callers\/0': 'socket' does not/],
  ['a tenant that is none', rule({ tenants: ['a b'] }), /at '\/node\/policy\/0\/tenants\/0': 'a b' does not match/],
  [
    'an operation that there is not',
    rule({ operations: ['encrpyt'] }),
    /at '\/node\/policy\/0\/operations\/0': value must be one of 'generate_dek', 'unwrap'/,
  ],
  [
    'a file of a tenant without its ending',
    { 'node.tenants': { acme: {} } },
    /at '\/node\/tenants': additional properties 'acme' not allowed/,
  ],
  [
    'a key of a tenant’s file that there is not',
    { 'node.tenants': { 'acme.yaml': { customr: 1 } } },
    /at '\/node\/tenants\/acme\.yaml': additional properties 'customr' not allowed/,
  ],
  [
    'two tokens for a tenant',
    { ...daemon, 'node.vaultTokens': ['a', 'b'].map((audience) => ({ tenant: 'acme', audience })) },
    /node\.vaultTokens: has the tenant acme twice/,
  ],
];

describe.skipIf(helm === '').each([
  ['of another type', types],
  ['for images', images],
  ['for amounts and times', amounts],
  ['for names and addresses', names],
  ['for folders of nodes', folders],
  ['for node daemons', daemons],
])('values %s that make no sense', (_kind, refusals) => {
  it.each(refusals)('%s: are refused with what would be right', async (_title, set, why) => {
    expect(await render(helm, { set })).toEqual({ kind: 'refused', why: expect.stringMatching(why) });
  });
});

describe.skipIf(helm === '')('a release', () => {
  it('whose objects could not have its name is refused before the first of them is there', async () => {
    const why = expect.stringMatching(
      /the release's name 1: a Service's name begins with a letter; set fullnameOverride/,
    );
    expect(await render(helm, { release: '1' })).toEqual({ kind: 'refused', why });
  });
});
