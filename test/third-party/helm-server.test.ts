/** Every file of values through the rules of a real API server, which are more than schemas say. */
import { describe, expect, it } from 'vitest';
import { objectOf, renderGood, valuesNames } from './helm/chart.ts';
import { create } from './kubernetes-chart.ts';
import { makeNamespace } from './kubernetes-scene.ts';
import { startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';
const kubernetes = folderOf('kubernetes') ?? '';

/** Kinds of others, which this API server does not know. */
const foreign = /^(cert-manager\.io|monitoring\.coreos\.com)\//;

describe.skipIf(helm === '' || kubernetes === '')('an API server', () => {
  it('takes every object of every file of values, and would not take a daemon set that is none', async () => {
    await using cluster = await startCluster(kubernetes);
    await makeNamespace(cluster.admin, 'keyproxy');
    let taken = 0;
    for (const values of valuesNames) {
      const { objects } = await renderGood(helm, { values });
      for (const object of objects.filter(({ apiVersion }) => !foreign.test(apiVersion))) {
        await create(cluster.admin, { ...object }, '&dryRun=All');
        taken++;
      }
    }
    expect(taken).toBeGreaterThan(valuesNames.length * 5);

    const { objects } = await renderGood(helm, { values: 'node' });
    const daemonSet = objectOf(objects, 'DaemonSet', 'keyproxy-node') as unknown as { spec: object };
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } };
    const wrong = { ...daemonSet, spec: { ...daemonSet.spec, updateStrategy } };
    await expect(create(cluster.admin, wrong as never, '&dryRun=All')).rejects.toThrow(/maxUnavailable/);
  }, 120_000);
});
