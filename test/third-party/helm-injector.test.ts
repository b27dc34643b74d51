/** The injector in the chart's manifests: what others rely on by name, its rights, and what it has to be able to read. */
import { describe, expect, it } from 'vitest';
import { parseInjectorFile } from '../../src/config/injector-file.ts';
import { namesOf, objectOf, renderGood, valuesNames } from './helm/chart.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';
const registrations = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

describe.skipIf(helm === '')('the injector', () => {
  it('is made of these objects and no others', async () => {
    const { objects } = await renderGood(helm);
    const bound = ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding', 'ServiceAccount'];
    const others = ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service'];
    const expected = [...bound, ...others, ...registrations].map((kind) => `${kind} keyproxy-injector`);
    expect(namesOf(objects)).toEqual(
      [...expected, 'Pod keyproxy-injector-test', 'Secret keyproxy-injector-tls'].sort(),
    );
  });

  it('is registered so that a labelled pod is injected or rejected, and no other pod waits for it', async () => {
    const { objects } = await renderGood(helm, { namespace: 'byok' });
    const excluded = ['kube-system', 'kube-public', 'kube-node-lease', 'byok'];
    const both = {
      admissionReviewVersions: ['v1'],
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      sideEffects: 'None',
      timeoutSeconds: 5,
      objectSelector: { matchLabels: { 'keyproxy.io/inject': 'true' } },
      namespaceSelector: {
        matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: excluded }],
      },
    };
    const at = (path: string) => ({
      clientConfig: { service: { name: 'keyproxy-injector', namespace: 'byok', path, port: 443 } },
    });
    const pods = { apiGroups: [''], apiVersions: ['v1'], scope: 'Namespaced' };
    const labelled = ['pods', 'pods/status', 'pods/binding', 'bindings'];
    const webhooks = registrations.map((kind) => objectOf(objects, kind, 'keyproxy-injector')['webhooks']);
    expect(webhooks).toEqual([
      [
        {
          ...{ name: 'inject.keyproxy.io', ...both, ...at('/mutate'), reinvocationPolicy: 'IfNeeded' },
          rules: [{ ...pods, resources: ['pods'], operations: ['CREATE'] }],
        },
      ],
      [
        {
          ...{ name: 'check.keyproxy.io', ...both, ...at('/validate') },
          rules: [{ ...pods, resources: labelled, operations: ['CREATE', 'UPDATE'] }],
          matchConditions: [{ name: 'label-is-new', expression: expect.stringContaining('oldObject') }],
        },
      ],
    ]);
  });

  it.each(valuesNames)(
    'fails closed and is no hook, whatever %s says: no upgrade deletes it or takes its authority away',
    async (values) => {
      const { objects } = await renderGood(helm, { values });
      for (const { kind, metadata, webhooks } of objects) {
        if (!registrations.includes(kind)) continue;
        expect(Object.keys(metadata.annotations ?? {}).filter((name) => name.startsWith('helm.sh/'))).toEqual([]);
        expect(webhooks).toMatchObject([{ failurePolicy: 'Fail', clientConfig: { service: {} } }]);
        expect(JSON.stringify(webhooks)).not.toContain('caBundle');
      }
    },
  );

  it.each(valuesNames)('can read its file, whatever %s says', async (values) => {
    const { objects } = await renderGood(helm, { values });
    const files = objects.flatMap(({ kind, data }) =>
      kind === 'ConfigMap' ? [(data ?? {}) as Record<string, string>] : [],
    );
    const own = files.flatMap(({ 'injector.yaml': file }) => (file === undefined ? [] : [file]));
    expect(own).toHaveLength(values === 'node-alone' ? 0 : 1);
    for (const file of own) {
      const read = parseInjectorFile(file, '/etc/keyproxy/config/injector.yaml');
      expect(read).toMatchObject({ problems: [], warnings: [] });
    }
  });

  it('may do six things, each to one object that it is told by name', async () => {
    const { objects } = await renderGood(helm);
    const rules = (kind: string) => objectOf(objects, kind, 'keyproxy-injector')['rules'];
    expect(rules('Role')).toEqual([
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['keyproxy-injector-tls'], verbs: ['get', 'update'] },
    ]);
    expect(rules('ClusterRole')).toEqual(
      ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].map((resource) => ({
        apiGroups: ['admissionregistration.k8s.io'],
        resources: [resource],
        resourceNames: ['keyproxy-injector'],
        verbs: ['get', 'patch'],
      })),
    );
  });

  it('is reached by the API server from anywhere, and its metrics by whom the values name and by its test', async () => {
    const { objects } = await renderGood(helm, { values: 'placed' });
    const testPod = objectOf(objects, 'Pod', 'keyproxy-injector-test').metadata.labels;
    const selected = Object.entries(testPod ?? {}).filter(([name]) => /name|instance|component/.test(name));
    expect(objectOf(objects, 'NetworkPolicy', 'keyproxy-injector')['spec']).toMatchObject({
      ingress: [
        { ports: [{ port: 'webhook', protocol: 'TCP' }] },
        {
          ports: [{ port: 'metrics', protocol: 'TCP' }],
          from: [
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
            { podSelector: { matchLabels: Object.fromEntries(selected) } },
          ],
        },
      ],
      egress: [
        {
          ports: [
            { port: 53, protocol: 'UDP' },
            { port: 53, protocol: 'TCP' },
          ],
        },
        { ports: [{ port: 16443, protocol: 'TCP' }] },
      ],
    });
  });

  it('may do nothing at all where cert-manager makes its certificate', async () => {
    const { objects, text } = await renderGood(helm, { values: 'cert-manager' });
    expect(objects.filter(({ kind }) => /Role|Binding/.test(kind))).toEqual([]);
    // Nor has it a token: `native` is decided, so that it has nothing to ask.
    expect(text.match(/automountServiceAccountToken: \w+/g)).not.toContain('automountServiceAccountToken: true');
    for (const kind of registrations) {
      const { metadata } = objectOf(objects, kind, 'keyproxy-injector');
      expect(metadata.annotations).toEqual({ 'cert-manager.io/inject-ca-from': 'keyproxy/keyproxy-injector' });
    }
  });

  it('gets a new pod when its file has changed, and keeps the old ones until that is ready', async () => {
    const deployment = async (set = {}) => {
      return objectOf((await renderGood(helm, { set })).objects, 'Deployment', 'keyproxy-injector') as unknown as {
        spec: { strategy: unknown; template: { metadata: { annotations: Record<string, string> } } };
      };
    };
    const [one, same, other] = await Promise.all([
      deployment(),
      deployment({ 'injector.replicas': 5 }),
      deployment({ 'sidecar.logLevel': 'debug' }),
    ]);
    const sum = (of: typeof one) => of.spec.template.metadata.annotations['checksum/config'];
    expect(sum(same)).toBe(sum(one));
    expect(sum(other)).not.toBe(sum(one));
    expect(one.spec.strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  });
});
