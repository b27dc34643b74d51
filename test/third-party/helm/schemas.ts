/**
 * Schemas of Kubernetes' objects for kubeconform, without any network: of Kubernetes itself from the Python package
 * kubernetes-validate, of cert-manager and the Prometheus operator from the definitions in their Go modules.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { run } from '../run.ts';
import { minors } from './chart.ts';

/** Kinds that the chart makes, as the package names their files. Of a kind that is missing kubeconform finds no schema. */
const kinds = [
  ...['clusterrole-rbac-v1', 'clusterrolebinding-rbac-v1', 'role-rbac-v1', 'rolebinding-rbac-v1'],
  ...['configmap-v1', 'namespace-v1', 'pod-v1', 'secret-v1', 'service-v1', 'serviceaccount-v1'],
  ...['daemonset-apps-v1', 'deployment-apps-v1', 'mutatingwebhookconfiguration-admissionregistration-v1'],
  'validatingwebhookconfiguration-admissionregistration-v1',
  ...['networkpolicy-networking-v1', 'poddisruptionbudget-policy-v1'],
  '_definitions',
];

/**
 * Definitions of others: a module of Go with the sum of its content, and a folder in it. The operator's later versions
 * cannot be had as Go modules.
 */
const definitions = [
  {
    module: 'github.com/cert-manager/cert-manager@v1.21.2',
    sum: 'h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=',
    folder: 'deploy/crds',
    files: /^cert-manager\.io_(certificates|issuers)\.yaml$/,
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    folder: 'example/prometheus-operator-crd',
    files: /^monitoring\.coreos\.com_(podmonitors|servicemonitors|prometheusrules)\.yaml$/,
  },
] as const;

/** What kubeconform gets as its places of schemas, once {@link writeSchemas} has filled `folder`. */
export function schemaLocations(folder: string): string[] {
  const name = '{{ .ResourceKind }}{{ .KindSuffix }}.json';
  return [`${folder}/{{ .NormalizedKubernetesVersion }}/${name}`, `${folder}/definitions/${name}`];
}

/** Writes all schemas into `folder`; `installed` is where the Python package is. */
export async function writeSchemas(folder: string, installed: string): Promise<void> {
  const [python = ''] = await readdir(join(installed, 'lib'));
  const source = join(installed, 'lib', python, 'site-packages/kubernetes_validate/kubernetes-json-schema');
  for (const minor of minors) await copyVersion(`v1.${minor}.0`, source, folder);
  await mkdir(join(folder, 'definitions'));
  for (const definition of definitions) await writeDefinitions(definition, join(folder, 'definitions'));
}

/** In the package the files refer to each other by an address; beside each other they are found by name. */
async function copyVersion(version: string, source: string, folder: string): Promise<void> {
  await mkdir(join(folder, version), { recursive: true });
  for (const kind of kinds) {
    const text = await readFile(join(source, `${version}-local-strict`, `${kind}.json`), 'utf8');
    const { $id: _address, ...schema } = JSON.parse(text.replaceAll('/api/_definitions.json#', '_definitions.json#'));
    await writeFile(join(folder, version, `${kind}.json`), JSON.stringify(schema));
  }
}

async function writeDefinitions({ module, sum, folder, files }: (typeof definitions)[number], to: string) {
  const { stdout } = await run('go', ['mod', 'download', '-json', module], { timeoutMs: 300_000 });
  const { Dir: place, Sum: found, Error: why } = JSON.parse(stdout || '{"Error":"go printed nothing"}');
  if (why !== undefined || found !== sum) throw new Error(`${module}: ${why ?? `has the sum ${found}, not ${sum}`}`);
  for (const file of (await readdir(join(place, folder))).filter((name) => files.test(name))) {
    const { spec } = parse(await readFile(join(place, folder, file), 'utf8'));
    for (const { name, schema } of spec.versions) {
      const kind = `${spec.names.singular}-${spec.group.split('.')[0]}-${name}.json`;
      await writeFile(join(to, kind), JSON.stringify(strict(schema.openAPIV3Schema)));
    }
  }
}

/** A schema that takes no field it does not name, as an API server does that is asked to be strict. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const own = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const isOpen = 'additionalProperties' in own || own['x-kubernetes-preserve-unknown-fields'] === true;
  const isSection = own['type'] === 'object' && typeof own['properties'] === 'object';
  return isSection && !isOpen ? { ...own, additionalProperties: false } : own;
}
