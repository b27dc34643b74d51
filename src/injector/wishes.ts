/** What a pod's annotations ask for, checked. All that is wrong with them is told at once. */
import { isTenantId, tenantIdRule } from '../base/ids.ts';
import { imageReference } from '../base/image-reference.ts';
import { type LogLevel, logLevels } from '../base/log-level.ts';
import { isOverLimit, quantityOf, quantityRule } from '../base/quantity.ts';
import { at, objectIn } from './json.ts';
import { annotationPrefix, defaultConfigMap, statusAnnotation } from './names.ts';
import type { ResourceName, Resources, SidecarSettings } from './settings.ts';
import { shown } from './texts.ts';

/** How keyproxy is to be in one pod. */
export interface Wishes {
  /** The only tenants that are served; undefined for all of the ConfigMap. */
  readonly tenants: readonly string[] | undefined;
  /** The ConfigMap of tenants' files, in the pod's namespace. */
  readonly configMap: string;
  /** Tenants whose Vault takes the pod's service account, each with the audience of its token. */
  readonly vaultTokens: readonly VaultToken[];
  /** The Secret with credentials in files, in the pod's namespace. */
  readonly secret: string | undefined;
  /** Names of the containers that get the socket; undefined for all. */
  readonly containers: ReadonlySet<string> | undefined;
  /** Whether anonymous callers may come over loopback. */
  readonly tcp: boolean;
  readonly image: string;
  readonly logLevel: LogLevel;
  readonly resources: Resources;
}

export interface VaultToken {
  readonly tenant: string;
  readonly audience: string;
}

export interface ReadWishes {
  readonly wishes: Wishes;
  /** Why the pod cannot be had as it asks, one clause each. */
  readonly problems: readonly string[];
  /** What has no effect, one sentence each. */
  readonly warnings: readonly string[];
}

/** Longest annotation that is read, in characters; all of a pod's may have 256 KiB together. */
const longestAnnotation = 65_536;

type Parsed<T> = { readonly value: T } | { readonly wrong: string };

/** A list of names between commas, each of which `isGood`; names that stand there twice count once. */
function names(isGood: (name: string) => boolean, rule: string) {
  return (text: string): Parsed<readonly string[]> => {
    const found = text.split(',').map((name) => name.trim());
    return found.every(isGood) ? { value: [...new Set(found)] } : { wrong: `names between commas, each ${rule}` };
  };
}

function matching(pattern: RegExp, rule: string) {
  return (text: string): Parsed<string> => (pattern.test(text) ? { value: text } : { wrong: rule });
}

function oneOf<T extends string>(words: readonly T[]) {
  return (text: string): Parsed<T> => {
    const value = words.find((word) => word === text);
    return value === undefined ? { wrong: `one of ${words.join(', ')}` } : { value };
  };
}

/**
 * Audiences have neither spaces nor commas here; what a tenant's file has must be the same text. A tenant's name becomes
 * that of a file, which Kubernetes does not let begin with two dots.
 */
const vaultToken = /^(?!\.=|\.\.)([^=]+)=([^\s\p{Cc}]{1,256})$/u;

function vaultTokens(text: string): Parsed<readonly VaultToken[]> {
  const pairs = text.split(',');
  const value = pairs.flatMap((pair) => {
    const [, tenant = '', audience = ''] = vaultToken.exec(pair.trim()) ?? [];
    return isTenantId(tenant) ? [{ tenant, audience }] : [];
  });
  return new Set(value.map(({ tenant }) => tenant)).size === pairs.length
    ? { value }
    : { wrong: `TENANT=AUDIENCE between commas, each tenant once and ${tenantIdRule}` };
}

function quantity(text: string): Parsed<string> {
  return quantityOf(text) === undefined ? { wrong: quantityRule } : { value: text };
}

/** RFC 1123, which names of containers and ConfigMaps follow. */
const isLabel = (name: string) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name);
const subdomain = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Every annotation that a pod's owner may write, without the prefix. */
const table = {
  tenants: names(isTenantId, tenantIdRule),
  config: matching(subdomain, 'the name of a ConfigMap in the same namespace'),
  'vault-tokens': vaultTokens,
  secrets: matching(subdomain, 'the name of a Secret in the same namespace'),
  containers: names(isLabel, 'that of a container of this pod'),
  tcp: oneOf(['true', 'false']),
  image: matching(imageReference, 'a reference such as registry.example.com/keyproxy:0.1.0'),
  'log-level': oneOf(logLevels),
  'requests-cpu': quantity,
  'requests-memory': quantity,
  'limits-cpu': quantity,
  'limits-memory': quantity,
};

type Table = typeof table;
type ValueOf<K extends keyof Table> = ReturnType<Table[K]> extends Parsed<infer T> ? T : never;

/** The annotations that a pod's owner may write, with their prefix. */
export const annotations: readonly string[] = Object.keys(table).map((name) => `${annotationPrefix}${name}`);

/** Reads the annotations of a pod over what the operator has decided. */
export function readWishes(pod: unknown, settings: SidecarSettings): ReadWishes {
  const written = objectIn(at(pod, 'metadata', 'annotations')) ?? {};
  const problems: string[] = [];
  const read = <K extends keyof Table & string>(name: K): ValueOf<K> | undefined => {
    const key = `${annotationPrefix}${name}`;
    const text = Object.hasOwn(written, key) ? written[key] : undefined;
    if (typeof text !== 'string') return undefined;
    if (text.length > longestAnnotation) {
      problems.push(
        `the annotation ${key} has ${text.length} characters; it must be one of at most ${longestAnnotation}`,
      );
      return undefined;
    }
    const parsed = table[name](text) as Parsed<ValueOf<K>>;
    if ('value' in parsed) return parsed.value;
    problems.push(`the annotation ${key} is ${shown(text)}; it must be ${parsed.wrong}`);
    return undefined;
  };
  const amounts = (kind: 'requests' | 'limits') => {
    const given = { cpu: read(`${kind}-cpu`), memory: read(`${kind}-memory`) };
    return { ...settings.resources[kind], ...withoutAbsent(given) };
  };
  const containers = read('containers');
  const wishes = {
    tenants: read('tenants'),
    configMap: read('config') ?? defaultConfigMap,
    vaultTokens: read('vault-tokens') ?? [],
    secret: read('secrets'),
    containers: containers && new Set(containers),
    tcp: read('tcp') === 'true',
    image: read('image') ?? settings.image,
    logLevel: read('log-level') ?? settings.logLevel,
    resources: { requests: amounts('requests'), limits: amounts('limits') },
  };
  return { wishes, problems: [...problems, ...excess(wishes.resources)], warnings: unknownAmong(written) };
}

/** The API server would refuse such a container with words about fields that the pod's owner has not written. */
function excess({ requests, limits }: Resources): string[] {
  return (['cpu', 'memory'] as const satisfies readonly ResourceName[]).flatMap((name) => {
    const [least, most] = [requests[name], limits[name]];
    if (!isOverLimit(least, most)) return [];
    const [request, limit] = [`${annotationPrefix}requests-${name}`, `${annotationPrefix}limits-${name}`];
    return [`keyproxy would request ${least} of ${name} and be limited to ${most}; lower ${request} or raise ${limit}`];
  });
}

function unknownAmong(written: Readonly<Record<string, unknown>>): string[] {
  const known = new Set([...annotations, statusAnnotation]);
  const unknown = Object.keys(written).filter((key) => key.startsWith(annotationPrefix) && !known.has(key));
  return unknown.map(
    (key) =>
      `the annotation ${shown(key)} is unknown and has no effect; known are ${Object.keys(table).join(', ')} behind ${annotationPrefix}`,
  );
}

function withoutAbsent(amounts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(amounts).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
