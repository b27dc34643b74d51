/** The chart through Helm: every file of values on every minor of Kubernetes, held against that minor's schemas. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/daemon.ts';
import { chartFolder, minors, objectOf, renderGood, valuesFile, valuesNames } from './helm/chart.ts';
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

describe.skipIf(helm === '')('labels', () => {
  it('of pods stand over those of all objects, and no label is there twice', async () => {
    const set = {
      'node.enabled': true,
      'node.policy': [{ callers: ['*'], tenants: ['b'], operations: ['*'] }],
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
