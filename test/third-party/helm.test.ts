/** The chart through Helm: every file of values on every minor of Kubernetes, held against that minor's schemas. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/daemon.ts';
import { chartFolder, minors, objectOf, render, renderGood, valuesFile, valuesNames } from './helm/chart.ts';
import { schemaLocations, writeSchemas } from './helm/schemas.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const helm = folderOf('helm') ?? '';
const schemas = folderOf('kubeschemas') ?? '';

describe.skipIf(helm === '')('helm lint', () => {
  it.each(valuesNames)('finds nothing amiss in the chart with the values of %s', async (name) => {
    const args = ['lint', chartFolder, '--strict', '--kube-version', '1.30.0', '--values', valuesFile(name)];
    const { code, stdout, stderr } = await run(join(helm, 'helm'), args);
    expect(`${stdout}${stderr}`).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(code).toBe(0);
  });
});

describe.skipIf(helm === '')('values that make no sense', () => {
  const policy = [{ callers: ['a'], tenants: ['b'], operations: ['*'] }];
  const cases: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
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
    ['no injector at all behind its webhook', { 'injector.replicas': 0 }, /at '\/injector\/replicas': minimum: got 0/],
    [
      'a level of logs that there is not',
      { 'sidecar.logLevel': 'verbose' },
      /at '\/sidecar\/logLevel': value must be one of/,
    ],
    ['a sidecar that runs as root', { 'sidecar.runAsUser': 0 }, /at '\/sidecar\/runAsUser': minimum: got 0/],
    ['a digest that is none', { 'image.digest': 'latest' }, /at '\/image\/digest': 'latest' does not match pattern/],
    [
      'a daemon without a policy',
      { 'node.enabled': true },
      /node\.policy: is empty; callers by token need at least one rule/,
    ],
    [
      'what the chart decides, in the daemon’s file',
      { 'node.enabled': true, 'node.policy': policy, 'node.config': { http: {} } },
      /node\.config\.http: is what the chart decides/,
    ],
    [
      'a socket that all pods of a node share without saying who they are',
      {
        'node.enabled': true,
        'node.policy': policy,
        'node.config': { listen: [{ unix: '/run/keyproxy/open.sock', mode: '0666', identity: 'socket' }] },
      },
      /node\.config\.listen: is what the chart decides/,
    ],
    [
      'anonymous callers of a node’s daemon',
      { 'node.enabled': true, 'node.policy': policy, 'node.config': { allow_anonymous: true } },
      /node\.config\.allow_anonymous: is what the chart decides/,
    ],
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
    ['an image that is none', { 'sidecar.image': 'A' }, /at '\/sidecar\/image': 'A' does not match pattern/],
    [
      'a repository that is none',
      { 'image.repository': 'A b' },
      /at '\/image\/repository': 'A b' does not match pattern/,
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
    ...['commonLabels', 'injector.podLabels', 'node.podLabels'].map(
      (place) =>
        [
          `a label of the chart’s own among ${place}`,
          { [place]: { 'app.kubernetes.io/name': 'mine' } },
          /app\.kubernetes\.io\/name/,
        ] as const,
    ),
    [
      'a file of a tenant without its ending',
      { 'node.tenants': { acme: {} } },
      /at '\/node\/tenants': additional properties 'acme' not allowed/,
    ],
  ];

  it.each(cases)('%s: are refused with what would be right', async (_title, set, why) => {
    expect(await render(helm, { set })).toEqual({ kind: 'refused', why: expect.stringMatching(why) });
  });
});

describe.skipIf(helm === '')('labels', () => {
  it('of pods stand over those of all objects, and no label is there twice', async () => {
    const set = {
      'node.enabled': true,
      'node.policy': [{ callers: ['a'], tenants: ['b'], operations: ['*'] }],
      'workloadIdentity.azure.clientId': '01234567-89ab-cdef-0123-456789abcdef',
      commonLabels: { team: 'all', tier: 'back' },
      'injector.podLabels': { team: 'injector' },
      'node.podLabels': { team: 'node', 'azure.workload.identity/use': 'true' },
    };
    // The parser does not take a key twice.
    const { objects } = await renderGood(helm, { set });
    for (const [kind, name] of [['Deployment', 'injector'] as const, ['DaemonSet', 'node'] as const]) {
      const { spec } = objectOf(objects, kind, `keyproxy-${name}`) as unknown as {
        spec: { selector: { matchLabels: object }; template: { metadata: { labels: object } } };
      };
      const labels = { team: name, tier: 'back', ...spec.selector.matchLabels };
      expect(spec.template.metadata.labels).toMatchObject(labels);
    }
  });
});

describe.skipIf(helm === '' || schemas === '')('manifests', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeSchemas(join(folder.path, 'schemas'), schemas);
  }, 400_000);

  afterAll(() => folder[Symbol.asyncDispose]());

  /** What kubeconform says to a folder of manifests: how many objects it found good, and why others are not. */
  async function judge(manifests: string, minor: number): Promise<{ valid: number; problems: string[] }> {
    const places = schemaLocations(join(folder.path, 'schemas')).flatMap((place) => ['-schema-location', place]);
    const args = [
      '-strict',
      '-summary',
      '-output',
      'json',
      '-kubernetes-version',
      `1.${minor}.0`,
      ...places,
      manifests,
    ];
    const { stdout } = await run(join(helm, 'kubeconform'), args);
    const { resources, summary } = JSON.parse(stdout);
    const problems = resources.map(
      (found: Record<string, string>) => `${found['kind']} ${found['name']}: ${found['msg']}`,
    );
    return { valid: summary.valid, problems };
  }

  it.each(minors)('of every file of values are what Kubernetes 1.%i takes, field by field', async (minor) => {
    const place = join(folder.path, `1.${minor}`);
    await mkdir(place);
    let count = 0;
    for (const values of valuesNames) {
      const { text, objects } = await renderGood(helm, { values, minor });
      await writeFile(join(place, `${values}.yaml`), text);
      count += objects.length;
    }
    expect(await judge(place, minor)).toEqual({ valid: count, problems: [] });
    expect(count).toBeGreaterThan(valuesNames.length * 5);
  });

  const slips: readonly (readonly [string, string, string, RegExp])[] = [
    ['a field that is misspelt', 'failurePolicy:', 'failurePolizy:', /failurePolizy/],
    ['text where a number belongs', 'maxSkew: 1', 'maxSkew: one', /maxSkew/],
    ['a misspelt field of cert-manager’s', 'renewBefore:', 'renewBefor:', /renewBefor/],
    ['a misspelt field of the operator’s', 'interval: 30s', 'intervall: 30s', /intervall/],
  ];

  it.each(slips)('with %s are not: the check would see it', async (title, right, wrong, problem) => {
    const place = join(folder.path, title.replaceAll(/\W/g, '-'));
    const set = { 'monitoring.sidecars.podMonitor': 'always' };
    const { text } = await renderGood(helm, { values: 'cert-manager', set });
    expect(text).toContain(right);
    await mkdir(place);
    await writeFile(join(place, 'slip.yaml'), text.replaceAll(right, wrong));
    const { problems } = await judge(place, 30);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join('\n')).toMatch(problem);
  });
});
