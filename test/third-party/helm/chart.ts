/** Renders the chart with Helm as somebody would who installs it. */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { run } from '../run.ts';

export const chartFolder: string = resolve(import.meta.dirname, '../../../helm/keyproxy');
const valuesFolder = join(import.meta.dirname, 'values');

/** Names of the files of values that the chart is tried with, without their ending. */
export const valuesNames: readonly string[] = readdirSync(valuesFolder).map((file) => file.replace(/\.yaml$/, ''));

/** Minors of Kubernetes that the chart is for: from the one that Chart.yaml names to the newest whose schemas there are. */
export const minors: readonly number[] = [28, 29, 30, 31, 32, 33, 34, 35, 36, 37];

export interface Rendering {
  /** Of {@link valuesNames}; the chart's own values where none is given. */
  readonly values?: string;
  /** Single values beside them, as `--set-json` takes them. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Of Kubernetes 1. */
  readonly minor?: number;
  readonly apiVersions?: readonly string[];
  readonly namespace?: string;
  /** The release's name; `keyproxy` where none is given. */
  readonly release?: string;
  /** A chart's folder in the place of ours: one that has ours in it. */
  readonly chart?: string;
  /** Further flags of `helm template`. */
  readonly flags?: readonly string[];
}

/** What Helm renders, or what it says against it. */
export type Rendered =
  | { readonly kind: 'manifests'; readonly text: string; readonly objects: readonly KubernetesObject[] }
  | { readonly kind: 'refused'; readonly why: string };

/** An object of Kubernetes as it stands in a manifest. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The file of values of this name. */
export function valuesFile(name: string): string {
  return join(valuesFolder, `${name}.yaml`);
}

/** Renders a release with the helm in the folder `installed`. */
export async function render(installed: string, rendering: Rendering = {}): Promise<Rendered> {
  const { values, set = {}, minor = 30, apiVersions = [], namespace = 'keyproxy', flags = [] } = rendering;
  const { release = 'keyproxy', chart = chartFolder } = rendering;
  const args = ['template', release, chart, '--namespace', namespace, '--kube-version', `1.${minor}.0`];
  if (values !== undefined) args.push('--values', valuesFile(values));
  for (const [path, value] of Object.entries(set)) args.push('--set-json', `${path}=${JSON.stringify(value)}`);
  for (const version of apiVersions) args.push('--api-versions', version);
  const { code, stdout, stderr } = await run(join(installed, 'helm'), [...args, ...flags]);
  if (code !== 0) return { kind: 'refused', why: stderr };
  return { kind: 'manifests', text: stdout, objects: objectsIn(stdout) };
}

/** The same, of values that are known to be good. Throws what Helm says where they are not. */
export async function renderGood(installed: string, rendering: Rendering = {}) {
  const rendered = await render(installed, rendering);
  if (rendered.kind === 'refused') throw new Error(rendered.why);
  return rendered;
}

/**
 * The objects of a manifest, read as Kubernetes reads it: as YAML 1.1, in which `on` and `123` are no text. Throws where a
 * key is there twice, of which Helm would take the last.
 */
export function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    // Manifests that Helm wrote; what is in them is what the tests are about.
    return document.contents === null ? [] : [document.toJS() as never];
  });
}

/** The one object of this kind and name. Throws where there is none, or several. */
export function objectOf(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const [found, ...others] = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined || others.length > 0) throw new Error(`there is not exactly one ${kind} ${name}`);
  return found;
}

/** Kinds and names, sorted. */
export function namesOf(objects: readonly KubernetesObject[]): string[] {
  return objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
}
