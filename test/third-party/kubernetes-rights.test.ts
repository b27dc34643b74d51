/** What the chart lets the injector do in a real API server: all that it needs, and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Chart, checks, create, registrationKinds, registrations, release } from './kubernetes-chart.ts';
import type { KubernetesObject } from './kubernetes-client.ts';
import { launchInjector } from './kubernetes-injector.ts';
import { copyOf } from './kubernetes-registration.ts';
import { makeNamespace, until } from './kubernetes-scene.ts';
import { type Cluster, startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';

const folder = folderOf('kubernetes');
const roleKinds = ['ClusterRole', 'Role'] as const;
const secrets = `/api/v1/namespaces/${release.namespace}/secrets`;
const own = `${registrations}/${release.name}`;

interface Right {
  readonly kind: (typeof roleKinds)[number];
  readonly rule: number;
  readonly verb: string;
  readonly resource: string;
}

const chart = await Chart.read();

/** Every verb of every rule. */
const rights: readonly Right[] = roleKinds.flatMap((kind) =>
  chart
    .the(kind)
    ['rules'].flatMap(({ verbs, resources }: KubernetesObject, rule: number) =>
      verbs.map((verb: string) => ({ kind, rule, verb, resource: resources.join() })),
    ),
);

/** An object of the chart as a release of another name has it, in a namespace of that name. */
function renamed(object: KubernetesObject, name: string): KubernetesObject {
  const inNamespace = JSON.stringify(object).replaceAll(`"namespace":"${release.namespace}"`, `"namespace":"${name}"`);
  return JSON.parse(inNamespace.replaceAll(release.name, name)) as KubernetesObject;
}

function without(role: KubernetesObject, { rule, verb }: Right): KubernetesObject {
  const copy = structuredClone(role);
  const found = copy['rules'][rule];
  found.verbs = found.verbs.filter((each: string) => each !== verb);
  return copy;
}

/** What nobody should be able to do with the injector's token. */
const temptations = [
  ['GET', secrets],
  ['GET', `${secrets}/another`],
  ['GET', '/api/v1/namespaces/apps/secrets/keyproxy-injector-tls'],
  ['GET', '/api/v1/secrets'],
  ['POST', secrets],
  ['POST', '/api/v1/namespaces/apps/secrets'],
  ['PATCH', `${secrets}/keyproxy-injector-tls`],
  ['DELETE', `${secrets}/keyproxy-injector-tls`],
  ['GET', registrations],
  ['POST', registrations],
  ['GET', `${registrations}/another`],
  ['PATCH', `${registrations}/another`],
  ['PUT', own],
  ['DELETE', own],
  ['GET', checks],
  ['POST', checks],
  ['PATCH', `${checks}/another`],
  ['PUT', `${checks}/${release.name}`],
  ['DELETE', `${checks}/${release.name}`],
  ['GET', `/api/v1/namespaces/${release.namespace}/configmaps`],
  ['GET', `/api/v1/namespaces/${release.namespace}/pods`],
  ['POST', `/api/v1/namespaces/${release.namespace}/pods`],
  ['POST', `/api/v1/namespaces/${release.namespace}/serviceaccounts/${release.name}/token`],
  ['GET', '/api/v1/nodes'],
  ['GET', '/api/v1/namespaces'],
] as const;

describe.skipIf(folder === undefined)('the service account of the injector', () => {
  const stack = new AsyncDisposableStack();
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = stack.use(await startCluster(folder ?? ''));
    await chart.install(cluster.admin);
    for (const kind of registrationKinds) await create(cluster.admin, chart.the(kind));
    await makeNamespace(cluster.admin, 'apps');
  });
  afterAll(() => stack.disposeAsync());

  it.concurrent.for(rights)('needs $verb of $resource', async (right, { expect }) => {
    const { admin } = cluster;
    const name = `without-${right.verb}-${right.kind.toLowerCase()}-${right.rule}`;
    await makeNamespace(admin, name);
    for (const kind of ['ServiceAccount', 'Secret', 'ClusterRoleBinding', 'RoleBinding']) {
      await create(admin, renamed(chart.the(kind), name));
    }
    for (const kind of roleKinds) {
      const role = renamed(chart.the(kind), name);
      await create(admin, kind === right.kind ? without(role, right) : role);
    }
    const copy = { name, namespace: name, port: 1, ca: '' } as const;
    for (const kind of registrationKinds) await create(admin, copyOf(renamed(chart.the(kind), name), copy));
    const certificates = { own: { namespace: name, service: name, secret: `${name}-tls`, webhook: name } };
    await using injector = await launchInjector({ cluster, chart, certificates, account: { namespace: name, name } });
    const complaint = new RegExp(`answered 403; .*the role needs ${right.verb}`);
    await until('it says what it lacks', async () => complaint.test(injector.output()), 60_000);
    expect(await injector.isReady()).toBe(false);
    const role = renamed(chart.the(right.kind), name);
    const place = right.kind === 'Role' ? `namespaces/${name}/roles` : 'clusterroles';
    await admin.must('PUT', `/apis/rbac.authorization.k8s.io/v1/${place}/${name}`, role);
    await until('it is ready with it', () => injector.isReady(), 60_000);
  });

  it.for(temptations)('may not %s %s', async ([method, path]) => {
    const client = await cluster.as(release);
    const { status, message } = await client.ask(method, path, method === 'GET' ? undefined : {});
    expect(message).toContain('forbidden');
    expect(status).toBe(403);
  });

  it('has six rights', () => {
    expect(rights.map(({ verb, resource }) => `${verb} ${resource}`)).toEqual([
      'get mutatingwebhookconfigurations',
      'patch mutatingwebhookconfigurations',
      'get validatingwebhookconfigurations',
      'patch validatingwebhookconfigurations',
      'get secrets',
      'update secrets',
    ]);
  });

  it('may do what its role says', async () => {
    const client = await cluster.as(release);
    expect((await client.ask('GET', own)).status).toBe(200);
    expect((await client.ask('GET', `${checks}/${release.name}`)).status).toBe(200);
    expect((await client.ask('GET', `${secrets}/keyproxy-injector-tls`)).status).toBe(200);
  });
});
