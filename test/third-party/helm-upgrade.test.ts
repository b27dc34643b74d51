/**
 * Helm on a real API server with the real injector: pods that ask for a sidecar are created without a pause while a release
 * is upgraded and rolled back, and none of them comes without one.
 */
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { temporaryFolder } from '../support/daemon.ts';
import { chartFolder } from './helm/chart.ts';
import { Chart, registrations, release } from './kubernetes-chart.ts';
import type { KubernetesObject } from './kubernetes-client.ts';
import { startInjector } from './kubernetes-injector.ts';
import { createPod, makeNamespace, type Outcome, outcomeOf, until } from './kubernetes-scene.ts';
import { type Cluster, startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const helm = folderOf('helm') ?? '';
const kubernetes = folderOf('kubernetes') ?? '';

const deployer = { namespace: 'kube-system', name: 'deployer' };

const labelled = {
  metadata: { generateName: 'orders-', labels: { 'keyproxy.io/inject': 'true' } },
  spec: { containers: [{ name: 'orders', image: 'orders' }] },
};

/** A pod that a namespace of the level "restricted" takes. */
const restricted = {
  ...labelled,
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        ...{ name: 'orders', image: 'orders' },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
};

/** A webhook as manifests have it. */
function withoutBundle({ clientConfig, ...webhook }: KubernetesObject): KubernetesObject {
  return { ...webhook, clientConfig: { service: clientConfig.service } };
}

/** How a chart of the test differs from the one in the repository. */
interface Difference {
  /** Where the injector listens; the Service leads to this machine instead of to pods. */
  readonly port: number;
  readonly version: string;
}

async function writeChart(folder: string, { port, version }: Difference): Promise<string> {
  await cp(chartFolder, folder, { recursive: true });
  const edit = async (file: string, from: string | RegExp, to: string) => {
    const before = await readFile(join(folder, file), 'utf8');
    expect(before).toMatch(from);
    await writeFile(join(folder, file), before.replaceAll(from, to));
  };
  await edit('Chart.yaml', /^(version|appVersion): .*$/gm, `$1: ${version}`);
  // An API server that was built from its module does not know its own version.
  await edit('Chart.yaml', /^kubeVersion: .*$/gm, '');
  await edit('templates/injector/service.yaml', /^spec:$/gm, 'spec:\n  type: ExternalName\n  externalName: localhost');
  await edit('templates/injector/service.yaml', /port: 443/g, `port: ${port}`);
  await edit('templates/injector/_webhooks.tpl', /port: 443/g, `port: ${port}`);
  return folder;
}

/** What `kubectl apply --server-side --force-conflicts` asks for; gives back the object as it is then. */
async function apply(cluster: Cluster, path: string, object: KubernetesObject): Promise<KubernetesObject> {
  const token = await cluster.tokenOf(deployer);
  const sent = request(new URL(`${path}?fieldManager=kubectl&force=true`, cluster.server.origin), {
    ...{ method: 'PATCH', ca: cluster.server.ca },
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/apply-patch+yaml' },
  });
  sent.end(JSON.stringify(object));
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (response?.statusCode !== 200) throw new Error(`apply: ${response?.statusCode}`);
  return JSON.parse(await text(response));
}

/** A file by which Helm may do everything in the cluster. */
async function writeAccess(folder: string, { admin, server, caFile, tokenOf }: Cluster): Promise<string> {
  await admin.must('POST', '/api/v1/namespaces/kube-system/serviceaccounts', { metadata: { name: deployer.name } });
  await admin.must('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'deployer' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', ...deployer }],
  });
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server: server.origin, 'certificate-authority': caFile } }],
    users: [{ name: 'test', user: { token: await tokenOf(deployer) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  await writeFile(join(folder, 'kubeconfig'), stringify(config), { mode: 0o600 });
  return join(folder, 'kubeconfig');
}

describe.skipIf(helm === '' || kubernetes === '')('a release on a real API server', () => {
  it('goes from chart to chart and back, and no pod is created without its sidecar', async () => {
    await using place = await temporaryFolder();
    await using cluster = await startCluster(kubernetes);
    const { admin } = cluster;
    const access = await writeAccess(place.path, cluster);
    const attempt = async (...args: string[]) => {
      const flags = ['--kubeconfig', access, '--namespace', release.namespace];
      const { code, stdout, stderr } = await run(join(helm, 'helm'), [...args, ...flags], { timeoutMs: 120_000 });
      return { code, said: code === 0 ? '' : stdout + stderr };
    };
    const command = async (...args: string[]) => {
      expect(await attempt(...args)).toEqual({ code: 0, said: '' });
    };
    /** Again where Helm read an object, and the injector wrote it before Helm did. */
    const insistently = async (...args: string[]) => {
      let { said } = await attempt(...args);
      for (let left = 5; left > 0 && said.includes('the object has been modified'); left--) {
        ({ said } = await attempt(...args));
      }
      expect(said).toBe('');
    };
    const webhook = () => admin.must('GET', `${registrations}/${release.name}`);
    const kept = async () => {
      const secret = await admin.must('GET', `/api/v1/namespaces/${release.namespace}/secrets/${release.name}-tls`);
      return secret['data'] as Record<string, string> | undefined;
    };
    const bundleOf = (registration: KubernetesObject) =>
      String(registration['webhooks'][0].clientConfig.caBundle ?? '');
    await makeNamespace(admin, 'shop');
    const create = async () => outcomeOf(await createPod(admin, 'shop', labelled));
    /** What becomes of pods that are created one after the other while `work` goes on. */
    const meanwhile = async (work: Promise<void>): Promise<Outcome[]> => {
      const outcomes: Outcome[] = [];
      const end = work.then(() => 'ended' as const);
      do outcomes.push(await create());
      while ((await Promise.race([end, pause(5)])) !== 'ended');
      outcomes.push(await create());
      return outcomes;
    };

    // Nobody listens there: from the first moment on a pod is rejected rather than admitted bare.
    const early = await writeChart(join(place.path, 'early'), { port: 1, version: '0.0.1' });
    await command('install', 'keyproxy', early, '--create-namespace');
    await until('the API server heeds the registration', async () => (await create()) === 'refused');
    const { metadata: installed } = await webhook();
    await using injector = await startInjector({ cluster, chart: await Chart.read() });
    const previous = await writeChart(join(place.path, 'previous'), { port: injector.port, version: '0.0.2' });
    await command('upgrade', 'keyproxy', previous);
    await until('pods are injected', async () => (await create()) === 'injected');
    const written = bundleOf(await webhook());
    const keys = await kept();
    expect(written).not.toBe('');
    expect(Object.keys(keys ?? {})).toContain('tls.key');

    // The sidecar is no reason to lower the level of a namespace.
    await makeNamespace(admin, 'strict', { 'pod-security.kubernetes.io/enforce': 'restricted' });
    expect(outcomeOf(await createPod(admin, 'strict', restricted))).toBe('injected');
    expect((await createPod(admin, 'strict', labelled)).message).toMatch(
      /violates PodSecurity "restricted:latest"[^;]*"orders"/,
    );

    const next = await writeChart(join(place.path, 'next'), { port: injector.port, version: '0.0.3' });
    const set = ['injector.webhook.timeoutSeconds=9', 'injector.webhook.excludeNamespaces={elsewhere}'];
    const upgrade = await meanwhile(command('upgrade', 'keyproxy', next, '--set', set.join(',')));
    const upgraded = await webhook();
    expect(upgraded['webhooks'][0].timeoutSeconds).toBe(9);
    const rollback = await meanwhile(command('rollback', 'keyproxy'));
    const rolledBack = await webhook();
    expect(rolledBack['webhooks'][0].timeoutSeconds).toBe(5);

    expect(new Set([...upgrade, ...rollback])).toEqual(new Set(['injected']));
    expect(Math.min(upgrade.length, rollback.length)).toBeGreaterThan(5);
    expect(await kept()).toEqual(keys);
    for (const seen of [upgraded, rolledBack]) {
      expect(bundleOf(seen)).toBe(written);
      // The same object as on the first day: it was never deleted.
      expect(seen.metadata).toMatchObject({ uid: (installed as { uid?: string }).uid });
    }

    // The manifest without Helm, applied over it by the API server, leaves the authority as well.
    const registration = (await Chart.read()).the('MutatingWebhookConfiguration');
    const here = { ...registration, webhooks: upgraded['webhooks'].map(withoutBundle) };
    expect(bundleOf(await apply(cluster, `${registrations}/${release.name}`, here))).toBe(written);

    // A Secret that somebody has deleted is put back, empty, and filled with a new authority.
    await admin.must('DELETE', `/api/v1/namespaces/${release.namespace}/secrets/${release.name}-tls`);
    await command('upgrade', 'keyproxy', next, '--set', set.join(','));
    await until('the Secret is filled', async () => (await kept())?.['ca.key'] !== undefined);
    expect((await kept())?.['ca.key']).not.toBe(keys?.['ca.key']);
    await until('pods are injected', async () => (await create()) === 'injected');

    // `--force` replaces objects, and what the injector wrote with them: pods are rejected until it has written that again.
    const forced = await meanwhile(insistently('upgrade', 'keyproxy', next, '--force'));
    expect(forced).not.toContain('bare');
    await until('pods are injected again', async () => (await create()) === 'injected');

    // The other side of it: what the test would see if the registration went away, as it does at the end of a release.
    await command('uninstall', 'keyproxy');
    await until('pods come bare', async () => (await create()) === 'bare');
  }, 300_000);
});
