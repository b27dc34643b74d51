/** What is in the chart's manifests beside the injector: the node daemon, monitoring, and the chart without Helm. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseDaemonFile } from '../../src/config/daemon-file.ts';
import { parsePolicyFile } from '../../src/config/policy-file.ts';
import { parseTenantFile } from '../../src/config/tenant-file.ts';
import { projectRoot } from '../support/pages.ts';
import { type KubernetesObject, namesOf, objectOf, renderGood } from './helm/chart.ts';
import { plainManifests, plainText } from './helm/plain-manifests.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';

/** The files in a ConfigMap. */
function filesOf(objects: readonly KubernetesObject[], name: string): Record<string, string> {
  return objectOf(objects, 'ConfigMap', name)['data'] as Record<string, string>;
}

describe.skipIf(helm === '')('the node daemon', () => {
  it('can read its file, its policy and its tenants, and takes callers by token alone', async () => {
    const { objects } = await renderGood(helm, { values: 'node' });
    const { 'daemon.yaml': daemon = '', 'policy.yaml': policy = '' } = filesOf(objects, 'keyproxy-node');
    const parsed = parseDaemonFile(daemon, '/etc/keyproxy/config/daemon.yaml', {});
    expect(parsed).toMatchObject({
      ...{ problems: [], warnings: [] },
      config: { environment: 'staging', cacheMaxBytes: 128 * 1024 ** 2, callerLimits: { callsPerSecond: 1000 } },
    });
    const { listen } = parse(daemon);
    expect(listen).toEqual([{ unix: '/run/keyproxy/keyproxy.sock', mode: '0666', identity: 'token' }]);
    expect(parsePolicyFile(policy, 'policy.yaml')).toMatchObject({ problems: [], warnings: [] });
    const { 'acme.yaml': acme = '' } = filesOf(objects, 'keyproxy-node-tenants');
    const options = { trustedEndpoints: [], allowLocal: false };
    expect(parseTenantFile(acme, 'acme.yaml', options)).toMatchObject({ problems: [], warnings: [] });
  });

  it('is to each cloud who the values say, by the annotations and the label that the cloud looks for', async () => {
    const { objects } = await renderGood(helm, { values: 'node-alone' });
    expect(objectOf(objects, 'ServiceAccount', 'keyproxy-node').metadata.annotations).toEqual({
      'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/keyproxy',
      'azure.workload.identity/client-id': '01234567-89ab-cdef-0123-456789abcdef',
      'azure.workload.identity/tenant-id': '89abcdef-0123-4567-89ab-cdef01234567',
      'iam.gke.io/gcp-service-account': 'keyproxy@platform.iam.gserviceaccount.com',
      'example.org/note': 'account',
    });
    expect(objectOf(objects, 'DaemonSet', 'keyproxy-node')).toMatchObject({
      spec: { template: { metadata: { labels: { 'azure.workload.identity/use': 'true' } } } },
    });
    expect(objects.filter(({ kind }) => /Role|Binding|Webhook/.test(kind))).toEqual([]);
  });
});

describe.skipIf(helm === '')('monitoring', () => {
  const asked = (when: string) => ({
    'monitoring.sidecars.podMonitor': when,
    'monitoring.injector.serviceMonitor': when,
    'monitoring.rules.create': when,
  });
  const monitored = async (when: string, apiVersions: string[]) => {
    const { objects } = await renderGood(helm, { set: asked(when), apiVersions });
    return namesOf(objects.filter(({ apiVersion }) => apiVersion.startsWith('monitoring.')));
  };
  const all = ['PodMonitor keyproxy-sidecars', 'PrometheusRule keyproxy', 'ServiceMonitor keyproxy-injector'];

  it.each([
    ['never', [], []],
    ['never', ['monitoring.coreos.com/v1'], []],
    ['auto', [], []],
    ['auto', ['monitoring.coreos.com/v1'], all],
    ['always', [], all],
  ])('with "%s" in a cluster that has %j beyond Kubernetes: %j', async (when, apiVersions, expected) => {
    expect(await monitored(when, apiVersions)).toEqual(expected);
  });

  it('has every group of deploy/prometheus, with runbooks where the values say', async () => {
    const folder = join(projectRoot, 'deploy/prometheus');
    const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
    const texts = files
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .filter((text) => /^groups:/m.test(text));
    const prefix = 'https://runbooks.example.org/keyproxy#';
    const groups = texts.flatMap((text) => parse(text.replaceAll('docs/operations.md#', prefix)).groups);
    const { objects, text } = await renderGood(helm, { values: 'monitored' });
    expect(objectOf(objects, 'PrometheusRule', 'keyproxy')['spec']).toEqual({ groups });
    expect(groups.length).toBeGreaterThan(0);
    expect(text).toContain(`runbook_url: ${prefix}`);
  });
});

describe.skipIf(helm === '')('dashboards', () => {
  it('are those of deploy/grafana, byte for byte, each in a ConfigMap that Grafana finds', async () => {
    const folder = join(projectRoot, 'deploy/grafana');
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    const { objects } = await renderGood(helm, { values: 'monitored' });
    const found = objects.filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
    const expected = Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
    expect(Object.assign({}, ...found.map(({ data }) => data))).toEqual(expected);
    expect(found).toHaveLength(files.length);
    expect(files.length).toBeGreaterThan(0);
  });
});

describe('plain manifests', () => {
  it('get their registry in every place by the command of the documents', () => {
    const text = readFileSync(join(projectRoot, plainManifests), 'utf8');
    const page = readFileSync(join(projectRoot, 'docs/kubernetes.md'), 'utf8');
    const [, from = '', to = ''] = /^sed 's\|([^|]+)\|([^|]+)\|'/m.exec(page) ?? [];
    const images = [...text.replaceAll(from, to).matchAll(/^ +image: "(.*)"$/gm)].map(([, image]) => image);
    expect(images).toEqual(['REGISTRY/keyproxy:0.1.0', 'REGISTRY/keyproxy:0.1.0']);
    expect(text).toContain(`sed 's|${from}|${to}|'`);
  });
});

describe.skipIf(helm === '')('plain manifests', () => {
  it('are what the chart renders by default; if not, run test/third-party/helm/plain-manifests.ts', async () => {
    expect(readFileSync(join(projectRoot, plainManifests), 'utf8')).toBe(await plainText(helm));
  });
});
