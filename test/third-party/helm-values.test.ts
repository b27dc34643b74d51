/** Values of the chart that mean something, and what they become. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseInjectorFile } from '../../src/config/injector-file.ts';
import { secretsFolder } from '../../src/injector/names.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { chartFolder, type KubernetesObject, namesOf, objectOf, renderGood } from './helm/chart.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';

const policy = [{ callers: ['*'], tenants: ['*'], operations: ['*'] }];
const daemon = { 'node.enabled': true, 'node.policy': policy };

/** What Kubernetes runs as one pod of a Deployment or DaemonSet. */
interface PodSpec {
  readonly containers: readonly { readonly image: string; readonly volumeMounts: object[]; readonly ports: object[] }[];
  readonly volumes: readonly object[];
}

function podOf(objects: readonly KubernetesObject[], component: 'injector' | 'node'): PodSpec {
  const kind = component === 'injector' ? 'Deployment' : 'DaemonSet';
  const { spec } = objectOf(objects, kind, `keyproxy-${component}`) as unknown as {
    spec: { template: { spec: PodSpec } };
  };
  return spec.template.spec;
}

/** The injector's file as these values make it; fails where the injector would not take it. */
async function injectorFile(set: Readonly<Record<string, unknown>>) {
  const { objects } = await renderGood(helm, { set });
  const data = objectOf(objects, 'ConfigMap', 'keyproxy-injector')['data'] as Record<string, string>;
  const read = parseInjectorFile(data['injector.yaml'] ?? '', 'injector.yaml');
  expect(read).toMatchObject({ problems: [], warnings: [] });
  return 'config' in read ? read.config : undefined;
}

describe.skipIf(helm === '')('values that Kubernetes takes', () => {
  const amounts = [0, 1.5, '1Ei', '1e9', '2P', '1500m'];
  it.each(amounts)('%s as an amount: are taken, by the injector too', async (amount) => {
    const sidecar = { 'sidecar.resources': { requests: { cpu: amount, memory: amount }, limits: null } };
    await injectorFile({ ...sidecar, 'injector.resources': { limits: { memory: amount } } });
  });

  const repositories = ['Registry.example.org/team/keyproxy', 'localhost:5000/keyproxy', 'registry:5000/a/b/keyproxy'];
  it.each(repositories)('the repository %s: are taken, by the injector too', async (repository) => {
    expect(await injectorFile({ 'image.repository': repository })).toMatchObject({
      sidecar: { image: `${repository}:0.1.0` },
    });
  });

  it('a node’s labels of any name: are taken', async () => {
    const nodeSelector = { 'app.kubernetes.io/name': 'storage' };
    const { objects } = await renderGood(helm, { set: { 'injector.nodeSelector': nodeSelector } });
    expect(podOf(objects, 'injector')).toMatchObject({ nodeSelector });
  });

  it('an issuer of another kind than cert-manager’s own: are taken', async () => {
    const issuerRef = { name: 'pca', kind: 'AWSPCAClusterIssuer', group: 'awspca.cert-manager.io' };
    const certificates = { provider: 'certManager', certManager: { issuerRef, duration: '1h30m', renewBefore: '89m' } };
    const { objects } = await renderGood(helm, { set: { 'injector.certificates': certificates } });
    expect(objectOf(objects, 'Certificate', 'keyproxy-injector')).toMatchObject({ spec: { issuerRef } });
  });

  it('a tenant’s file as text, comments and all: are taken as they are', async () => {
    await using folder = await temporaryFolder();
    const text = '# From Terraform.\ncustomer: acme_corp\n\ntenant_id: "1e3"\n';
    await writeFile(join(folder.path, 'byok_config.yaml'), text);
    const flags = ['--set-file', `node.tenants.acme\\.yaml=${join(folder.path, 'byok_config.yaml')}`];
    const { objects } = await renderGood(helm, { set: daemon, flags });
    expect(objectOf(objects, 'ConfigMap', 'keyproxy-node-tenants')['data']).toEqual({ 'acme.yaml': text });
  });

  it('runbooks at an address with a # and a colon: are taken letter by letter', async () => {
    const set = { 'monitoring.rules': { create: 'always', runbookUrl: 'https://example.org:8443/a?b=c&d#x:' } };
    const { objects } = await renderGood(helm, { set });
    expect(JSON.stringify(objectOf(objects, 'PrometheusRule', 'keyproxy'))).toMatch(
      /"runbook_url":"https:\/\/example\.org:8443\/a\?b=c&d#x:\w+"/,
    );
  });
});

/** Everything in `object` that Kubernetes takes as text alone, by its path: names, labels, annotations. */
function textsIn(object: unknown, path = ''): [string, unknown][] {
  if (typeof object !== 'object' || object === null) return [];
  return Object.entries(object).flatMap(([key, value]): [string, unknown][] => {
    const here = `${path}.${key}`;
    const isText = /\.(\w*[nN]ame|namespace)$|\.(labels|annotations|matchLabels|data)\.[^.]/.test(here);
    return isText && typeof value !== 'object' ? [[here, value]] : textsIn(value, here);
  });
}

describe.skipIf(helm === '')('names', () => {
  it('that YAML reads as numbers or truth stay text', async () => {
    const set = {
      ...{ ...daemon, 'node.tenantsConfigMap': '123', 'node.secret': '0x1', 'injector.priorityClassName': '1e3' },
      ...{ 'node.vaultTokens': [{ tenant: '123', audience: 'on' }], nameOverride: 'on', fullnameOverride: 'off' },
      ...{ 'monitoring.rules.create': 'always', 'commonLabels.team': 'no', 'image.repository': '123' },
    };
    const { objects } = await renderGood(helm, { set, release: 'n', namespace: '123' });
    const texts = textsIn(objects);
    expect(texts.length).toBeGreaterThan(100);
    expect(texts.filter(([, value]) => typeof value !== 'string')).toEqual([]);
    expect(JSON.stringify(objectOf(objects, 'DaemonSet', 'off-node'))).toContain('"path":"123","audience":"on"');
    const file = objectOf(objects, 'ConfigMap', 'off-injector')['data'] as Record<string, string>;
    expect(parseInjectorFile(file['injector.yaml'] ?? '', 'injector.yaml')).toMatchObject({ problems: [] });
  });

  it('of releases with a dot become names that a Service can have', async () => {
    const { objects } = await renderGood(helm, { release: 'my.release' });
    expect(namesOf(objects)).toContain('Service my-release-keyproxy-injector');
  });

  it('of two long releases that begin alike are different, and fit', async () => {
    const services = async (release: string) => {
      const { objects } = await renderGood(helm, { release });
      return objects.flatMap(({ kind, metadata }) => (kind === 'Service' ? [metadata.name] : []));
    };
    const begin = 'r'.repeat(45);
    const [one = '', other = ''] = (await Promise.all(['one', 'two'].map((end) => services(`${begin}-${end}`)))).flat();
    expect(one).not.toBe(other);
    expect(Math.max(one.length, other.length)).toBeLessThanOrEqual(63);
  });

  it('of labels that are in several values at once are there once', async () => {
    const set = {
      ...{ commonLabels: { release: 'all', grafana_dashboard: '0', team: 'all' }, 'monitoring.labels.release': 'mine' },
      ...{ 'monitoring.rules.create': 'always', 'monitoring.dashboards.enabled': true },
    };
    // The parser does not take a key twice.
    const { objects } = await renderGood(helm, { set });
    expect(objectOf(objects, 'PrometheusRule', 'keyproxy').metadata.labels).toMatchObject({
      release: 'mine',
      team: 'all',
    });
    expect(objectOf(objects, 'ConfigMap', 'keyproxy-dashboard-cache').metadata.labels).toMatchObject({
      ...{ release: 'all', grafana_dashboard: '1' },
    });
  });
});

describe.skipIf(helm === '')('the node daemon', () => {
  it('has the Secret with credentials in files where a sidecar has its own', async () => {
    const { objects } = await renderGood(helm, { set: { ...daemon, 'node.secret': 'approle' } });
    const { containers, volumes } = podOf(objects, 'node');
    expect(volumes).toContainEqual({ name: 'secret', secret: { secretName: 'approle' } });
    expect(containers[0]?.volumeMounts).toContainEqual({ name: 'secret', mountPath: secretsFolder, readOnly: true });
  });

  it.each([
    ['https://kubernetes.default.svc/openid/v1/jwks', true],
    ['https://kubernetes.default.svc.cluster.local:6443/openid/v1/jwks', true],
    ['https://oidc.example.org/cluster/openid/v1/jwks', false],
    ['https://kubernetes.default.svcs.example.org/jwks', false],
  ])(
    'of an issuer with keys at %s shows it its token, and asks for the cluster’s authority: %s',
    async (jwksUri, is) => {
      const { objects } = await renderGood(helm, { set: { ...daemon, 'node.tokens.jwksUri': jwksUri } });
      const data = objectOf(objects, 'ConfigMap', 'keyproxy-node')['data'] as Record<string, string>;
      const inCluster = ['ca_file', 'token_file'].filter((key) => data['daemon.yaml']?.includes(key));
      expect(inCluster).toEqual(is ? ['ca_file', 'token_file'] : []);
    },
  );

  it('waits for its pod to be deleted where the values say so', async () => {
    const strategy = async (updateStrategy: object) => {
      const { objects } = await renderGood(helm, { set: { ...daemon, 'node.updateStrategy': updateStrategy } });
      return (objectOf(objects, 'DaemonSet', 'keyproxy-node')['spec'] as { updateStrategy: unknown }).updateStrategy;
    };
    expect(await strategy({ type: 'OnDelete' })).toEqual({ type: 'OnDelete' });
    expect(await strategy({ rollingUpdate: { maxUnavailable: '10%' } })).toEqual({
      ...{ type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '10%' } },
    });
  });
});

describe.skipIf(helm === '')('the injector', () => {
  it('listens where the values say, and the API server still asks at 443', async () => {
    const set = { 'injector.port': 10_250 };
    expect(await injectorFile(set)).toMatchObject({ listen: { port: 10_250 } });
    const { objects } = await renderGood(helm, { set });
    expect(podOf(objects, 'injector').containers[0]?.ports).toContainEqual({ name: 'webhook', containerPort: 10_250 });
    expect(objectOf(objects, 'Service', 'keyproxy-injector')).toMatchObject({
      spec: { ports: expect.arrayContaining([{ name: 'webhook', port: 443, targetPort: 'webhook' }]) },
    });
  });

  it('is on its node’s network where the values say so, with the cluster’s names, and makes way for its successor', async () => {
    const { objects } = await renderGood(helm, { values: 'host-network' });
    expect(objectOf(objects, 'Deployment', 'keyproxy-injector')).toMatchObject({
      spec: {
        strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        template: { spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } },
      },
    });
    // It would promise what it cannot hold.
    expect(objects.filter(({ kind }) => kind === 'NetworkPolicy')).toEqual([]);
  });

  it('and the node daemon run on Linux, whatever other labels of nodes the values have', async () => {
    const own = { 'injector.nodeSelector': { disk: 'ssd' }, 'node.nodeSelector': { disk: 'ssd' } };
    for (const set of [daemon, { ...daemon, ...own }]) {
      const { objects } = await renderGood(helm, { set });
      for (const component of ['injector', 'node'] as const) {
        expect(podOf(objects, component)).toMatchObject({ nodeSelector: { 'kubernetes.io/os': 'linux' } });
      }
      expect(objectOf(objects, 'Pod', 'keyproxy-injector-test')).toMatchObject({
        spec: { nodeSelector: { 'kubernetes.io/os': 'linux' } },
      });
    }
  });
});

describe.skipIf(helm === '')('a chart that has this one in it', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const umbrella = () => ({ chart: folder.path });

  beforeAll(async () => {
    folder = await temporaryFolder();
    const dependencies = [{ name: 'keyproxy', version: '0.1.0', condition: 'keyproxy.enabled' }];
    const chart = { apiVersion: 'v2', name: 'platform', version: '1.0.0', dependencies };
    await writeFile(join(folder.path, 'Chart.yaml'), stringify(chart));
    await mkdir(join(folder.path, 'charts'));
    await cp(chartFolder, join(folder.path, 'charts/keyproxy'), { recursive: true });
    return () => folder[Symbol.asyncDispose]();
  });

  it('switches it on and off', async () => {
    expect((await renderGood(helm, { ...umbrella(), set: { 'keyproxy.enabled': true } })).objects).not.toEqual([]);
    expect((await renderGood(helm, { ...umbrella(), set: { 'keyproxy.enabled': false } })).objects).toEqual([]);
  });

  it('puts its registry in front of every image', async () => {
    const set = { 'global.imageRegistry': 'mirror.example.org/all' };
    const { text } = await renderGood(helm, { ...umbrella(), set });
    const images = new Set([...text.matchAll(/image: "([^"]*)"/g)].map(([, image]) => image));
    expect([...images]).toEqual(['mirror.example.org/all/keyproxy:0.1.0']);
  });
});
