/** What becomes of pods when the webhook fails, fault by fault: injected or refused, and never bare. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { podShapes } from '../support/pod-shapes.ts';
import type { Counts } from './admission-table.ts';
import { Chart, create, host, registrationKinds } from './kubernetes-chart.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import { startInjector } from './kubernetes-injector.ts';
import { copyOf } from './kubernetes-registration.ts';
import { createPod, makeNamespace, type Outcome, outcomeOf, podOf, until } from './kubernetes-scene.ts';
import { startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';
import { type FaultName, faultNames, faults } from './webhook-faults.ts';
import { type Behind, startWebhook } from './webhook-server.ts';

const folder = folderOf('kubernetes');
/** The chart's own policy, and the control. */
const policies = ['Fail', 'Ignore'] as const;

type FailurePolicy = (typeof policies)[number];
const expected = Map.groupBy(podShapes, ({ expect }) => expect);
const [injectable, others] = [expected.get('injected') ?? [], expected.get('refused') ?? []];

type Becoming = Readonly<Record<FailurePolicy, Outcome>>;

/** What becomes of a pod that the injector would inject. */
const usual: Becoming = { Fail: 'refused', Ignore: 'bare' };
const unusual: Readonly<Partial<Record<FaultName, Becoming>>> = {
  'no fault': { Fail: 'injected', Ignore: 'injected' },
  // A patch that cannot be applied is no failed call: the policy is not asked.
  'patch to a place that is not there': { Fail: 'refused', Ignore: 'refused' },
  'patch that makes no pod': { Fail: 'refused', Ignore: 'refused' },
  // The first answer is of no use and the second look is taken, so that the policy does not matter.
  'patch without patchType': { Fail: 'refused', Ignore: 'refused' },
  'patchType without patch': { Fail: 'refused', Ignore: 'refused' },
  'a lie: allowed, and no patch': { Fail: 'refused', Ignore: 'refused' },
  // The API server believes its webhooks: against this one nothing in Kubernetes helps, and the count must show it.
  'a lie in both: allowed, whatever it is': { Fail: 'bare', Ignore: 'bare' },
};

/** A namespace a fault and a policy, each with a registration of its own, so that nothing is switched between them. */
function namespaceOf(fault: FaultName, policy: FailurePolicy): string {
  return `fault-${faultNames.indexOf(fault)}-${policy.toLowerCase()}`;
}

/** Waits until what was registered for the namespace is what its pods meet: an API server heeds that a moment later. */
async function heeded(admin: KubernetesClient, namespace: string, outcome: Outcome): Promise<void> {
  const [shape] = injectable;
  const probe = {
    ...podOf(shape as (typeof podShapes)[number], ''),
    metadata: { generateName: 'probe-', labels: { 'keyproxy.io/inject': 'true' } },
  };
  await until(`pods of ${namespace} are ${outcome}`, async () => {
    return outcomeOf(await createPod(admin, namespace, probe)) === outcome;
  });
}

/** Creates a pod of every shape; what became of them, and of those that the injector would inject. */
async function createAll(admin: KubernetesClient, namespace: string) {
  const create = async (shapes: typeof podShapes, name: string) => {
    const pods = shapes.map((shape, index) => createPod(admin, namespace, podOf(shape, `${name}-${index}`)));
    return (await Promise.all(pods)).map((answer) => ({ outcome: outcomeOf(answer), said: answer.message }));
  };
  const [good, bad] = await Promise.all([create(injectable, 'good'), create(others, 'bad')]);
  const count = (outcome: Outcome) => [...good, ...bad].filter((each) => each.outcome === outcome).length;
  const outcomes = (pods: typeof good) => new Set(pods.map(({ outcome }) => outcome));
  const said = [...new Set(good.map(({ outcome, said }, index) => `${outcome}: ${injectable[index]?.name}: ${said}`))];
  const counts: Counts = { injected: count('injected'), refused: count('refused'), bare: count('bare') };
  return { counts, good: outcomes(good), bad: outcomes(bad), said: said.join('\n') };
}

describe.skipIf(folder === undefined)('an API server whose webhook fails', () => {
  const stack = new AsyncDisposableStack();
  let admin: KubernetesClient;
  beforeAll(async () => {
    const cluster = stack.use(await startCluster(folder ?? ''));
    admin = cluster.admin;
    const chart = await Chart.read();
    await chart.install(admin);
    const authority = await makeAuthority();
    const place = stack.use(await temporaryFolder());
    const { key, cert } = await authority.issue({ hosts: [host] });
    const files = { certificate: join(place.path, 'tls.crt'), key: join(place.path, 'tls.key') };
    await writeFile(files.key, key, { mode: 0o600 });
    await writeFile(files.certificate, cert);
    const injector = stack.use(await startInjector({ cluster, chart, certificates: { files } }));
    const behind: Behind = { host, authority, injector: `https://127.0.0.1:${injector.port}` };
    for (const fault of faultNames) {
      const { port } = stack.use(await startWebhook(faults[fault], behind));
      for (const policy of policies) {
        const namespace = namespaceOf(fault, policy);
        await makeNamespace(admin, namespace);
        const copy = {
          ...{ name: namespace, namespace, port, ca: authority.ca },
          ...(policy === 'Ignore' && { failurePolicy: policy }),
        };
        for (const kind of registrationKinds) await create(admin, copyOf(chart.the(kind), copy));
      }
    }
  });
  afterAll(() => stack.disposeAsync());

  it.for(faultNames)('refuses or injects pods of every shape: %s', async (fault, { task }) => {
    const becoming = unusual[fault] ?? usual;
    await Promise.all(policies.map((policy) => heeded(admin, namespaceOf(fault, policy), becoming[policy])));
    const [Fail, Ignore] = await Promise.all([
      createAll(admin, namespaceOf(fault, 'Fail')),
      createAll(admin, namespaceOf(fault, 'Ignore')),
    ]);
    task.meta.admission = { fault, Fail: Fail.counts, Ignore: Ignore.counts };
    expect.soft(Fail.good, Fail.said).toEqual(new Set([becoming.Fail]));
    expect.soft(Ignore.good, Ignore.said).toEqual(new Set([becoming.Ignore]));
    // What cannot be had is bare only where even that is allowed.
    const isAllAllowed = fault === 'a lie in both: allowed, whatever it is';
    expect.soft(Fail.bad).toEqual(new Set([isAllAllowed ? 'bare' : 'refused']));
  });

  it.each(faultNames)('lets pods pass that do not ask for keyproxy: %s', async (fault) => {
    const pod = { metadata: { name: 'unrelated' }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
    const { status, body } = await createPod(admin, namespaceOf(fault, 'Fail'), pod);
    expect(status).toBe(201);
    expect(JSON.stringify(body)).not.toContain('keyproxy');
  });
});
