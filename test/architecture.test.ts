/** Who may import whom, as data. Fails on an import the table does not allow, on a cycle, on a vendor SDK at large. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../src');

/** Folder → folders that it may import beside itself. `kms/*` stands for each provider's folder. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  envelope: ['base'],
  kms: ['base'],
  'kms/*': ['base', 'kms'],
  audit: ['base'],
  dek: ['base'],
  tenants: ['base', 'kms'],
  config: ['base', 'kms'],
  operations: ['base', 'envelope', 'kms', 'audit', 'dek', 'tenants'],
  identity: ['base'],
  telemetry: ['base', 'operations'],
  h2: ['base'],
  rpc: ['base', 'h2', 'operations', 'identity'],
  control: ['base', 'kms', 'tenants', 'audit', 'operations', 'identity'],
  injector: ['base'],
  app: [
    'base',
    'envelope',
    'kms',
    'kms/*',
    'audit',
    'dek',
    'tenants',
    'config',
    'operations',
    'identity',
    'telemetry',
    'h2',
    'rpc',
    'control',
    'injector',
  ],
  cli: ['base', 'config', 'app', 'envelope'],
  '.': ['cli'],
};

/** Packages that only one place may name. */
const homes: Readonly<Record<string, RegExp>> = {
  '@aws-sdk/': /^kms\/aws\//,
  '@smithy/': /^kms\/aws\//,
  '@azure/': /^kms\/azure\//,
  '@google-cloud/': /^kms\/gcp\//,
  '@grpc/': /^(rpc|kms\/gcp)\//,
  '@opentelemetry/': /^telemetry\//,
  'prom-client': /^telemetry\//,
  pino: /^telemetry\//,
  yaml: /^config\//,
  koffi: /^identity\//,
  jose: /^identity\//,
  '@peculiar/': /^app\/injector\//,
  'reflect-metadata': /^app\/injector\//,
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

function specifiersOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\s)(?:import|export)\s[^'"`;]*?from\s*'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s*'([^']+)'/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const imports: Import[] = files.flatMap((from) =>
  specifiersOf(from).map((to) => ({
    from,
    to: to.startsWith('.') ? relative(root, resolve(root, dirname(from), to)) : to,
  })),
);

function folderOf(file: string): string {
  const [first = '.', second = ''] = file.split('/');
  if (!file.includes('/')) return '.';
  return first === 'kms' && file.split('/').length > 2 ? `kms/${second}` : first;
}

function ruleOf(folder: string): string {
  return folder.startsWith('kms/') ? 'kms/*' : folder;
}

test('the tree was seen', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(imports.length).toBeGreaterThan(150);
});

describe.each([...new Set(files.map(folderOf))])('src/%s', (folder) => {
  test('is in the table and imports only what the table allows', () => {
    expect(Object.keys(allowed)).toContain(ruleOf(folder));
    const mine = imports.filter(({ from, to }) => folderOf(from) === folder && files.includes(to));
    const wrong = mine.filter(
      ({ to }) => folderOf(to) !== folder && !allowed[ruleOf(folder)]?.includes(ruleOf(folderOf(to))),
    );
    expect(wrong).toEqual([]);
  });
});

test('every relative import ends at a file', () => {
  expect(imports.filter(({ to }) => to.includes('/') && to.endsWith('.ts') && !files.includes(to))).toEqual([]);
});

test('vendor packages stay in their place', () => {
  const wrong = imports.filter(({ from, to }) =>
    Object.entries(homes).some(
      ([name, home]) => (to === name || to.startsWith(name.endsWith('/') ? name : `${name}/`)) && !home.test(from),
    ),
  );
  expect(wrong).toEqual([]);
  expect(imports.some(({ to }) => to.startsWith('@aws-sdk/'))).toBe(true);
});

test('no file imports itself by way of others', () => {
  const next = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) throw new Error(`cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) if (next.has(to)) walk(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(done.size).toBe(files.length);
});
