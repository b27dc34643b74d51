/** The chart's release in a real API server: what it stores of pods of every shape. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { podShapes } from '../support/pod-shapes.ts';
import { checks, create, host, registrations } from './kubernetes-chart.ts';
import type { KubernetesClient, KubernetesObject } from './kubernetes-client.ts';
import { copyOf } from './kubernetes-registration.ts';
import { openRelease, plainPod, type Release } from './kubernetes-release.ts';
import { createPod, makeNamespace, outcomeOf, podOf, sidecarOf, until } from './kubernetes-scene.ts';
import { folderOf } from './ready.ts';
import { webhookOfOthers } from './webhook-faults.ts';
import { startWebhook } from './webhook-server.ts';

const folder = folderOf('kubernetes');
const address = { name: 'KEYPROXY_ADDRESS', value: 'unix:///run/keyproxy/keyproxy.sock' };
const mount = { name: 'keyproxy-socket', mountPath: '/run/keyproxy', readOnly: true };

/** Containers of a pod that have both the variable and the mount. */
function served(pod: KubernetesObject): string[] {
  const all: readonly KubernetesObject[] = [...(pod['spec'].initContainers ?? []), ...pod['spec'].containers];
  const has = (list: readonly object[] = [], wanted: object) => list.some((item) => isLike(item, wanted));
  const good = all.filter(({ env, volumeMounts }) => has(env, address) && has(volumeMounts, mount));
  return good.map(({ name }) => String(name));
}

function isLike(item: object, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => Reflect.get(item, name) === value);
}

/** A pod with the label and without keyproxy, from before there was a webhook, which somebody keeps from being deleted. */
async function makeOldPod(admin: KubernetesClient): Promise<void> {
  await makeNamespace(admin, 'old');
  const metadata = { ...plainPod.metadata, name: 'old', finalizers: ['example.com/kept'] };
  expect(outcomeOf(await createPod(admin, 'old', { ...plainPod, metadata }))).toBe('bare');
}

/** Puts a webhook of others into a namespace, the last of all by its name, and waits until it is asked. */
async function registerLast(
  release: Release,
  name: string,
  patch: Parameters<typeof webhookOfOthers>[0],
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const { admin } = release.cluster;
  await makeNamespace(admin, name);
  const authority = await makeAuthority();
  const marking = (pod: KubernetesObject) => [
    ...(pod.metadata?.annotations === undefined ? [{ op: 'add', path: '/metadata/annotations', value: {} }] : []),
    { op: 'add', path: '/metadata/annotations/example.com~1asked', value: 'true' },
    ...patch(pod),
  ];
  const server = stack.use(await startWebhook(webhookOfOthers(marking), { host, authority, injector: '' }));
  const copy = { name, namespace: name, port: server.port, ca: authority.ca } as const;
  const registration = copyOf(release.chart.the('MutatingWebhookConfiguration'), copy);
  Object.assign(registration['webhooks'][0], { name: 'others.example.com', objectSelector: {} });
  await admin.must('POST', registrations, registration);
  stack.defer(async () => void (await admin.must('DELETE', `${registrations}/${name}`)));
  await until('it is asked', async () => {
    const pod = { ...plainPod, metadata: { generateName: 'first-', annotations: { first: 'true' } } };
    const { body } = await createPod(admin, name, pod);
    return body.metadata?.annotations?.['example.com/asked'] === 'true';
  });
  return stack.move();
}

function namesOf(list: readonly KubernetesObject[] = []): unknown[] {
  return list.map(({ name }) => name);
}

describe.skipIf(folder === undefined)('an API server with keyproxy’s chart in it', () => {
  const stack = new AsyncDisposableStack();
  let release: Release;
  let admin: KubernetesClient;
  beforeAll(async () => {
    release = stack.use(await openRelease(folder ?? '', { before: ({ admin }) => makeOldPod(admin) }));
    admin = release.cluster.admin;
    await makeNamespace(admin, 'restricted', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  });
  afterAll(() => stack.disposeAsync());

  it('is asked about at least fifty shapes of pods', () => {
    expect(podShapes.length).toBeGreaterThanOrEqual(50);
  });

  it.for(podShapes.filter(({ expect }) => expect === 'injected'))('stores $name with keyproxy', async (shape) => {
    const place = podShapes.indexOf(shape);
    const answer = await createPod(admin, 'apps', podOf(shape, `shape-${place}`));
    expect(answer.message).toBe('');
    const stored = await admin.must('GET', `/api/v1/namespaces/apps/pods/${answer.body.metadata?.name}`);
    expect(stored['spec'].initContainers[0]).toMatchObject({ name: 'keyproxy', restartPolicy: 'Always' });
    expect(stored.metadata?.annotations).toMatchObject({ 'keyproxy.io/status': 'injected' });
    const { initContainers, containers } = shape.pod['spec'] as KubernetesObject;
    const own = [...namesOf(initContainers), ...namesOf(containers)];
    expect(served(stored)).toEqual(shape.served ?? own);
    expect(answer.warnings.some((warning) => shape.warns?.test(warning.replaceAll('\\"', '"')))).toBe(
      shape.warns !== undefined,
    );
  });

  it.for(podShapes.filter(({ expect }) => expect === 'refused'))('refuses $name and says why', async (shape) => {
    const answer = await createPod(admin, 'apps', podOf(shape, `shape-${podShapes.indexOf(shape)}`));
    expect(outcomeOf(answer)).toBe('refused');
    expect(answer.message).toContain('admission webhook "inject.keyproxy.io" denied the request');
    expect(answer.message).toMatch(shape.because ?? /^$/);
  });

  it('tells whoever creates a pod that is too large to be read that it is', async () => {
    const env = Array.from({ length: 5000 }, (_, index) => ({ name: `E${index}`, value: 'v' }));
    const spec = { containers: [{ name: 'app', image: 'app:1', env }] };
    const { status, message } = await createPod(admin, 'apps', { ...plainPod, spec });
    expect(status).toBe(500);
    expect(message).toMatch(/failed to call webhook: keyproxy cannot be put .* at most 50000 values/);
  });

  it('holds pods to the level "restricted" after keyproxy is in them', async () => {
    const restricted = podShapes.find(({ name }) => name === 'a restricted pod');
    const good = await createPod(admin, 'restricted', { ...restricted?.pod, metadata: plainPod.metadata });
    expect(outcomeOf(good)).toBe('injected');
    const bad = await createPod(admin, 'restricted', plainPod);
    expect(bad.status).toBe(403);
    expect(bad.message).toContain('violates PodSecurity "restricted:latest"');
    expect(bad.message).toMatch(/container "app"/);
    expect(bad.message).not.toMatch(/containers? [^)]*"keyproxy"/);
  });

  it('takes the pods of the chart’s own Deployment in its namespace, which is "restricted"', async () => {
    const { metadata, spec } = release.chart.the('Deployment')['spec'].template;
    const pod = await create(admin, {
      ...{ apiVersion: 'v1', kind: 'Pod', spec },
      metadata: { ...metadata, namespace: 'keyproxy', generateName: 'keyproxy-injector-' },
    });
    expect(pod['spec'].serviceAccountName).toBe('keyproxy-injector');
  });

  it('stores pods that do not ask for keyproxy as they are', async () => {
    const { status, body } = await createPod(admin, 'apps', { ...plainPod, metadata: { generateName: 'unrelated-' } });
    expect(status).toBe(201);
    expect(JSON.stringify(body)).not.toContain('keyproxy');
  });

  it('asks on a dry run too, and stores nothing', async () => {
    const path = '/api/v1/namespaces/apps/pods';
    const pod = { ...plainPod, metadata: { ...plainPod.metadata, generateName: '', name: 'dry' } };
    const answer = await admin.ask('POST', `${path}?dryRun=All`, pod);
    expect(outcomeOf(answer)).toBe('injected');
    expect((await admin.ask('GET', `${path}/dry`)).status).toBe(404);
  });

  it('refuses a pod that another webhook labels when keyproxy’s has had its turn', async () => {
    const label = { op: 'add', path: '/metadata/labels', value: { 'keyproxy.io/inject': 'true' } };
    await using _others = await registerLast(release, 'z-labels', ({ metadata }) =>
      metadata?.annotations?.['first'] === undefined ? [label] : [],
    );
    const answer = await createPod(admin, 'z-labels', { ...plainPod, metadata: { generateName: 'unlabelled-' } });
    expect(answer.status).toBe(403);
    expect(answer.message).toMatch(/"check.keyproxy.io" denied the request: .*another webhook has added the label/);
  });

  it('refuses a pod whose sidecar another webhook takes away', async () => {
    await using _others = await registerLast(release, 'z-removes', ({ spec }) =>
      namesOf(spec.initContainers).includes('keyproxy') ? [{ op: 'remove', path: '/spec/initContainers/0' }] : [],
    );
    const answer = await createPod(admin, 'z-removes', plainPod);
    expect(answer.status).toBe(403);
    expect(answer.message).toMatch(/"check.keyproxy.io" denied the request: .*or has taken away/);
  });

  it('keeps the label from a pod that runs without keyproxy, and lets it come back to one that has it', async () => {
    const label = (value: string | null) => ({ metadata: { labels: { 'keyproxy.io/inject': value } } });
    const place = '/api/v1/namespaces/apps/pods';
    await admin.must('POST', place, { ...plainPod, metadata: { name: 'runs' } });
    for (const path of [`${place}/runs`, `${place}/runs?dryRun=All`]) {
      const refused = await admin.ask('PATCH', path, label('true'));
      expect(refused.status).toBe(403);
      expect(refused.message).toMatch(/"check.keyproxy.io" denied the request: .*create it anew/);
    }
    await admin.must('PATCH', `${place}/runs`, { metadata: { labels: { other: 'true' } } });
    await admin.must('POST', place, { ...plainPod, metadata: { ...plainPod.metadata, name: 'whole' } });
    for (const value of [null, 'true', 'false', 'true']) await admin.must('PATCH', `${place}/whole`, label(value));
  });

  it('keeps the label from a pod that runs without keyproxy by whatever way labels come', async () => {
    const place = '/api/v1/namespaces/apps/pods';
    const metadata = { labels: { 'keyproxy.io/inject': 'true' } };
    await admin.must('POST', place, { ...plainPod, metadata: { name: 'subresources' } });
    const byStatus = await admin.ask('PATCH', `${place}/subresources/status`, { metadata });
    expect([byStatus.status, byStatus.message]).toEqual([403, expect.stringMatching(/create it anew/)]);
    // These two take nothing but what they are for, so nobody has to be asked.
    for (const way of ['ephemeralcontainers', 'resize']) {
      const changed = await admin.must('PATCH', `${place}/subresources/${way}`, { metadata });
      expect([way, Reflect.get(changed.metadata ?? {}, 'labels')]).toEqual([way, undefined]);
    }
    await admin.must('PATCH', `${place}/subresources/status`, { status: { phase: 'Running' } });
    const binding = { apiVersion: 'v1', kind: 'Binding', target: { kind: 'Node', name: 'a' } };
    const named = { ...metadata, name: 'subresources' };
    for (const path of [`${place}/subresources/binding`, '/api/v1/namespaces/apps/bindings']) {
      const bound = await admin.ask('POST', path, { ...binding, metadata: named });
      expect([bound.status, bound.message]).toEqual([
        403,
        expect.stringMatching(/a binding puts keyproxy into no pod/),
      ]);
    }
    await admin.must('POST', `${place}/subresources/binding`, { ...binding, metadata: { name: 'subresources' } });
    const stored = await admin.must('GET', `${place}/subresources`);
    expect(stored['spec'].nodeName).toBe('a');
    expect(Reflect.get(stored.metadata ?? {}, 'labels') ?? {}).not.toHaveProperty(['keyproxy.io/inject']);
  });

  it('is not asked about debug containers, which may mount all that the sidecar has', async () => {
    const place = '/api/v1/namespaces/apps/pods';
    const annotations = { 'keyproxy.io/secrets': 'byok', 'keyproxy.io/vault-tokens': 'acme=vault://acme' };
    await admin.must('POST', place, { ...plainPod, metadata: { ...plainPod.metadata, annotations, name: 'debugged' } });
    const names = ['socket', 'secrets', 'vault-tokens', 'state'];
    const volumeMounts = names.map((name) => ({ name: `keyproxy-${name}`, mountPath: `/${name}` }));
    const ephemeralContainers = [{ name: 'debug', image: 'debug:1', volumeMounts }];
    await admin.must('PATCH', `${place}/debugged/ephemeralcontainers`, { spec: { ephemeralContainers } });
    const image = { op: 'replace', path: '/spec/initContainers/0/image', value: 'another:1' };
    await admin.must('PATCH', `${place}/debugged`, [image]);
  });

  it('does not keep a pod of old that has the label and not keyproxy from being changed and deleted', async () => {
    const path = '/api/v1/namespaces/old/pods/old';
    await admin.must('PATCH', path, { metadata: { annotations: { changed: 'true' } } });
    await admin.must('DELETE', `${path}?gracePeriodSeconds=0`);
    await admin.must('PATCH', path, { metadata: { finalizers: null } });
    await until('it is gone', async () => (await admin.ask('GET', path)).status === 404);
  });

  it('changes a labelled pod without asking, which does not wait for the injector', async () => {
    const place = '/api/v1/namespaces/apps/pods';
    await admin.must('POST', place, { ...plainPod, metadata: { ...plainPod.metadata, name: 'unasked' } });
    const before = await admin.must('GET', `${checks}/keyproxy-injector`);
    const [webhook] = before['webhooks'];
    const nowhere = { ...webhook.clientConfig, service: { ...webhook.clientConfig.service, port: 1 } };
    // Nobody is on this port: whoever waits for an answer is refused.
    await admin.must('PATCH', `${checks}/keyproxy-injector`, { webhooks: [{ ...webhook, clientConfig: nowhere }] });
    await until('no pod is created', async () => outcomeOf(await createPod(admin, 'apps', plainPod)) === 'refused');
    await admin.must('PATCH', `${place}/unasked`, { metadata: { labels: { other: 'true' } } });
    await admin.must('PATCH', `${place}/unasked/status`, { status: { phase: 'Running' } });
    await admin.must('PATCH', `${place}/unasked`, { metadata: { labels: { 'keyproxy.io/inject': null } } });
    await admin.must('PATCH', `${checks}/keyproxy-injector`, { webhooks: [webhook] });
    await until('pods are created', async () => outcomeOf(await createPod(admin, 'apps', plainPod)) === 'injected');
  });

  it.each(['a-mesh', 'z-mesh'])('serves a container that the webhook %s of others adds', async (name) => {
    await makeNamespace(admin, name);
    const authority = await makeAuthority();
    const mesh = webhookOfOthers(({ spec }) => {
      if (namesOf(spec.containers).includes('mesh')) return [];
      return [
        { op: 'add', path: '/spec/containers/-', value: { name: 'mesh', image: 'mesh:1' } },
        { op: 'test', path: '/spec/containers/0/name', value: 'app' },
      ];
    });
    await using server = await startWebhook(mesh, { host, authority, injector: '' });
    const copy = { name, namespace: name, port: server.port, ca: authority.ca } as const;
    const registration = copyOf(release.chart.the('MutatingWebhookConfiguration'), copy);
    Object.assign(registration['webhooks'][0], { name: 'mesh.example.com', objectSelector: {} });
    await admin.must('POST', registrations, registration);
    await until('the mesh is asked', async () => {
      const { body } = await createPod(admin, name, { ...plainPod, metadata: { generateName: 'unrelated-' } });
      return namesOf(body['spec']?.containers).includes('mesh');
    });
    const { body } = await createPod(admin, name, plainPod);
    expect(sidecarOf(body)).toBeDefined();
    expect(namesOf(body['spec'].initContainers)).toEqual(['keyproxy']);
    expect(served(body)).toEqual(['app', 'mesh']);
    await admin.must('DELETE', `${registrations}/${name}`);
  });
});
