/** `null` for a value of the chart: the same as none, or refused; no template fails for it, and nothing opens by it. */
import { describe, expect, it } from 'vitest';
import { chartValues } from '../../docs/chart.ts';
import { readPage } from '../support/pages.ts';
import { render } from './helm/chart.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';

// Every way to run it, so that every value is looked at.
const everything: Readonly<Record<string, unknown>> = {
  'node.enabled': true,
  'node.policy': [{ callers: ['*'], tenants: ['*'], operations: ['*'] }],
  'injector.certificates.provider': 'certManager',
  'monitoring.sidecars.podMonitor': 'always',
  'monitoring.node.podMonitor': 'always',
  'monitoring.injector.serviceMonitor': 'always',
  'monitoring.rules.create': 'always',
  'monitoring.dashboards.enabled': true,
};

const values = chartValues(readPage('helm/keyproxy/values.yaml'));
const sections = new Set(values.flatMap(({ path }) => sectionsOf(path)));

/** `a.b.c` → `a`, `a.b`. */
function sectionsOf(path: string): string[] {
  const keys = path.split('.');
  return keys.slice(1).map((_, depth) => keys.slice(0, depth + 1).join('.'));
}

/** What is given beside a null at `path`: a null and something in it do not go together. */
function beside(path: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(everything).filter(([key]) => !`${key}.`.startsWith(`${path}.`)));
}

/** An empty value of the same type; undefined where the type has none. */
function emptyOf(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  if (typeof value === 'object') return {};
  return typeof value === 'string' && value === '' ? '' : undefined;
}

// An empty list of ports would be all ports.
const needed = ['networkPolicy.apiServerPorts', 'networkPolicy.keyServicePorts', 'node.policy'];
const optional = values.filter(({ path, byDefault }) => !needed.includes(path) && emptyOf(byDefault) !== undefined);
const required = values.filter((value) => !optional.includes(value)).map(({ path }) => path);

describe.skipIf(helm === '')('null for', () => {
  it.each(optional)('$path is the same as an empty value', async ({ path, byDefault }) => {
    const [absent, empty] = await Promise.all(
      [null, emptyOf(byDefault)].map((value) => render(helm, { set: { ...beside(path), [path]: value } })),
    );
    expect(absent).toMatchObject({ kind: 'manifests' });
    // An empty map leaves the default as it is: Helm puts one over the other.
    if (JSON.stringify(byDefault) === JSON.stringify(emptyOf(byDefault))) expect(absent).toEqual(empty);
    else expect(absent).not.toEqual(empty);
  });

  it('global is the same as none', async () => {
    expect(await render(helm, { set: { global: null } })).toEqual(await render(helm));
  });

  it.each([...required, ...sections].filter((path) => path !== 'global'))('%s is refused by name', async (path) => {
    const name = path.split('.').at(-1);
    const why = expect.stringMatching(new RegExp(`missing propert(y|ies).* '${name}'|${path}: is empty`));
    expect(await render(helm, { set: { ...beside(path), [path]: null } })).toEqual({ kind: 'refused', why });
  });
});
