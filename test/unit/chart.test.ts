/** The parts of the Helm chart that are written from elsewhere, and its tables that have to agree. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { chartPages, chartReadme, chartValues } from '../../docs/chart.ts';
import { staleFiles, writePages } from '../../docs/generate.ts';
import { verbs } from '../../src/base/verb.ts';
import { daemonFields } from '../../src/config/daemon-file.ts';
import { parsePolicyFile } from '../../src/config/policy-file.ts';
import { tenantFields } from '../../src/config/tenant-file.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { readPage as read, projectRoot as root } from '../support/pages.ts';

const values = read('helm/keyproxy/values.yaml');

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

interface Patterns {
  readonly patternProperties: Readonly<Record<string, { readonly anyOf?: readonly Partial<Patterns>[] }>>;
}

/** What of the schema says what keyproxy itself reads. */
interface NodeSchema {
  readonly config: Patterns;
  readonly tenants: Patterns;
  readonly policy: {
    readonly items: {
      readonly properties: {
        readonly callers: { readonly items: { readonly pattern: string } };
        readonly operations: { readonly items: { readonly enum: readonly string[] } };
      };
    };
  };
}

/** Paths of everything that a strict schema of sections names. */
function pathsOf(schema: Schema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    return inner.properties === undefined ? [`${prefix}${key}`] : pathsOf(inner, `${prefix}${key}.`);
  });
}

/** Sections of a schema that take keys they do not name. */
function openSections(schema: Schema, path = 'values'): string[] {
  if (schema.properties === undefined) return [];
  const inner = Object.entries(schema.properties).flatMap(([key, section]) => openSections(section, `${path}.${key}`));
  return schema.additionalProperties === false ? inner : [path, ...inner];
}

/** The alternatives of a pattern `^(a|b)$`, sorted. */
function wordsOf(pattern = ''): string[] {
  return pattern
    .replace(/^\^\(|\)\$$/g, '')
    .split('|')
    .sort();
}

describe('values of the chart', () => {
  const schema: Schema = JSON.parse(read('helm/keyproxy/values.schema.json'));
  const node = JSON.parse(read('helm/keyproxy/values.schema.json')).properties.node.properties as NodeSchema;

  test('are those of the schema, all of them and no others', () => {
    // A chart that has this one in it switches it by `enabled`; this one has no such value.
    const named = pathsOf(schema).filter((path) => path !== 'enabled');
    expect(named.sort()).toEqual(
      chartValues(values)
        .map(({ path }) => path)
        .sort(),
    );
  });

  test('are refused where the schema does not know them, in every section', () => {
    // Helm hands `global` to every chart, with values of others in it.
    expect(openSections(schema)).toEqual(['values.global']);
    expect(openSections({ properties: { a: { properties: {} } } })).toEqual(['values', 'values.a']);
  });

  test('for the daemon’s file, its policy and its tenants have the keys and words that keyproxy reads', () => {
    const { config, policy, tenants } = node;
    const [inFile] = Object.keys(config.patternProperties);
    // `control` is refused by the daemon too.
    const daemonKeys = Object.keys(daemonFields).filter((key) => key !== 'control');
    expect(wordsOf(inFile)).toEqual(daemonKeys.sort());
    const [, keys] = Object.values(tenants.patternProperties)[0]?.anyOf ?? [];
    const [inTenant] = Object.keys(keys?.patternProperties ?? {});
    expect(wordsOf(inTenant)).toEqual(Object.keys(tenantFields({ trustedEndpoints: [], allowLocal: false })).sort());
    expect(policy.items.properties.operations.items.enum).toEqual([...verbs, '*']);
  });

  test.each([
    ['*', true, true],
    ['system:serviceaccount:shop:orders', true, true],
    ['system:serviceaccount:shop-*:*', true, true],
    ['system:serviceaccount:*:or.ders', true, true],
    ['system:serviceaccount:shop', false, false],
    ['system:serviceaccount:Shop:orders', false, false],
    [`system:serviceaccount:shop:${'a'.repeat(254)}`, false, false],
    ['a', false, false],
    // Nobody can be these: the node daemon takes tokens alone.
    ['socket', true, false],
    ['spiffe://example.org/orders', true, false],
  ])('for a caller %s: a policy has it, %s; a node daemon can have it, %s', (caller, inPolicy, onNode) => {
    const file = stringify({ rules: [{ callers: [caller], tenants: ['*'], operations: ['*'] }] });
    expect(parsePolicyFile(file, 'policy.yaml').problems.length === 0).toBe(inPolicy);
    expect(new RegExp(node.policy.items.properties.callers.items.pattern).test(caller)).toBe(onNode);
  });

  test('are found by the comment above them, maps without comments inside as one', () => {
    const text =
      '# About the file.\n\n# One.\na: 1\nb:\n  # Two,\n  # on two lines.\n  c: { d: x }\n  # Three.\n  e: []\n';
    expect(chartValues(text)).toEqual([
      { path: 'a', byDefault: 1, meaning: 'One.' },
      { path: 'b.c', byDefault: { d: 'x' }, meaning: 'Two, on two lines.' },
      { path: 'b.e', byDefault: [], meaning: 'Three.' },
    ]);
  });

  test('without a comment are an error that names them', () => {
    expect(() => chartValues('# One.\na: 1\nb:\n  # Two.\n  c: 1\n  d: 2\n')).toThrow(
      'values.yaml: b.d has no comment',
    );
  });
});

describe('the chart', () => {
  test('has the version of keyproxy', () => {
    const { version } = JSON.parse(read('package.json'));
    expect(parse(read('helm/keyproxy/Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  test('contains what it has from elsewhere as that is now', async () => {
    const pages = await chartPages(root);
    expect(Object.keys(pages)).toContain('helm/keyproxy/README.md');
    expect(await staleFiles(root, pages)).toEqual([]);
  });

  test('gets copies of rules and dashboards, not of their tests, and none that lost its origin', async () => {
    await using folder = await temporaryFolder();
    const write = (file: string, text: string) => {
      mkdirSync(dirname(join(folder.path, file)), { recursive: true });
      writeFileSync(join(folder.path, file), text);
    };
    write('helm/keyproxy/values.yaml', '# One.\na: 1\n');
    write('helm/keyproxy/README.md', read('helm/keyproxy/README.md'));
    write('deploy/prometheus/seed.yaml', '# Rules.\ngroups: []\n');
    write('deploy/prometheus/seed.test.yaml', 'rule_files: [seed.yaml]\n');
    write('deploy/grafana/cache.json', '{}\n');
    const copies = ['helm/keyproxy/files/prometheus/seed.yaml', 'helm/keyproxy/files/grafana/cache.json'];
    expect(await writePages(folder.path, await chartPages(folder.path))).toEqual([
      'helm/keyproxy/README.md',
      ...copies,
    ]);
    expect(readFileSync(join(folder.path, copies[0] ?? ''), 'utf8')).toBe('# Rules.\ngroups: []\n');
    expect(await staleFiles(folder.path, await chartPages(folder.path))).toEqual([]);
    write('helm/keyproxy/files/grafana/old.json', '{}\n');
    await expect(chartPages(folder.path)).rejects.toThrow('old.json is a copy of nothing in deploy/grafana; delete it');
  });

  test('keeps what people wrote around its table, and does not guess where that belongs', () => {
    const page =
      'before\n<!-- values: written by `npm run docs` from values.yaml -->\nold\n<!-- values: end -->\nafter\n';
    const row = '| `a.b` | `{"c":1}` | This \\| that. |';
    expect(chartReadme(page, [{ path: 'a.b', byDefault: { c: 1 }, meaning: 'This | that.' }])).toBe(
      page.replace('old', `\n| value | default | meaning |\n| --- | --- | --- |\n${row}\n`),
    );
    expect(() => chartReadme('a page without marks', [])).toThrow('has lost the marks');
  });
});
