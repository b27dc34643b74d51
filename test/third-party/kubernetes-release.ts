/** A cluster with the chart's release in it: two injectors with certificates of their own, and the webhooks registered. */

import { type Balancer, startBalancer } from './kubernetes-balancer.ts';
import { Chart, create, registrationKinds } from './kubernetes-chart.ts';
import { type Injector, startInjector } from './kubernetes-injector.ts';
import { createPod, makeNamespace, outcomeOf, until } from './kubernetes-scene.ts';
import { type Cluster, startCluster } from './kubernetes-server.ts';

export interface Release extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly chart: Chart;
  readonly injectors: readonly [Injector, Injector];
  /** In front of both. */
  readonly balancer: Balancer;
}

/** A pod that asks for keyproxy and for nothing else. */
export const plainPod = {
  metadata: { generateName: 'plain-', labels: { 'keyproxy.io/inject': 'true' } },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

export interface ReleaseOptions {
  /** Called when the chart is in the cluster, no webhook is registered and no injector runs yet. */
  readonly before?: (cluster: Cluster) => Promise<void>;
}

/** Returns when a pod in the namespace `default` is injected. The registration is the chart's but for the port. */
export async function openRelease(folder: string, { before }: ReleaseOptions = {}): Promise<Release> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster(folder));
  const { admin } = cluster;
  const chart = await Chart.read();
  await chart.install(admin);
  const balancer = stack.use(await startBalancer());
  await before?.(cluster);
  for (const kind of registrationKinds) {
    const registration = structuredClone(chart.the(kind));
    registration['webhooks'][0].clientConfig.service.port = balancer.port;
    await create(admin, registration);
  }
  const [one, two] = await Promise.all([startInjector({ cluster, chart }), startInjector({ cluster, chart })]);
  stack.use(one);
  stack.use(two);
  balancer.lead([one.port, two.port]);
  await makeNamespace(admin, 'apps');
  await until('a pod is injected', async () => outcomeOf(await createPod(admin, 'apps', plainPod)) === 'injected');
  const moved = stack.move();
  return { cluster, chart, injectors: [one, two], balancer, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
