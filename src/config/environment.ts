/**
 * Environment variables that stand over the daemon's file. A variable's value takes the place of the key in the
 * tree, so it is checked by the same table and its problems name the variable.
 */
import type { ProblemCollector } from './problem.ts';
import { environmentFile } from './read.ts';
import { nearestName } from './spelling.ts';
import { emptyMap, type MapTree, type Tree, written } from './tree.ts';

/** One variable and the key that it stands for. */
export interface Override {
  readonly variable: string;
  /** For documents: the key in the daemon's file. */
  readonly key: string;
  readonly doc: string;
}

/** An override of a key that stands in a section of its own name. */
interface KeyOverride extends Override {
  readonly path: readonly string[];
  readonly form: keyof typeof forms;
}

/** How the text of a variable stands for what a file has there without quotes. */
const forms = {
  text: (text: string) => text,
  number: (text: string) => (/^\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : text),
  flag: (text: string) => (/^(?:true|false)$/.test(text) ? text === 'true' : text),
  list: (text: string) => text.split(',').map((item) => item.trim()),
} as const;

/** An override of a listener: of its address, or of another of its keys. */
interface ListenOverride extends Override {
  readonly listener: 'unix' | 'tcp';
  readonly field: 'unix' | 'tcp' | 'mode' | 'identity';
}

function key(variable: string, path: readonly string[], doc: string, form: keyof typeof forms = 'text'): KeyOverride {
  return { variable, key: path.join('.'), path, doc, form };
}

function number(variable: string, path: readonly string[], doc: string): KeyOverride {
  return key(variable, path, doc, 'number');
}

const keyOverrides: readonly KeyOverride[] = [
  key('KEYPROXY_ENVIRONMENT', ['environment'], 'The environment that the daemon belongs to.'),
  key('KEYPROXY_HTTP_ADDRESS', ['http', 'address'], 'Where metrics and health are served.'),
  key('KEYPROXY_TENANTS_DIRECTORY', ['tenants', 'directory'], "Where the tenants' files are."),
  key('KEYPROXY_TENANTS', ['tenants', 'only'], 'The tenants that are served, between commas.', 'list'),
  key(
    'KEYPROXY_ALLOW_ANONYMOUS',
    ['allow_anonymous'],
    'Whether anonymous callers may what callers of the socket may.',
    'flag',
  ),
  key('KEYPROXY_STATE_DIRECTORY', ['state', 'directory'], 'Where what outlives a restart is kept.'),
  key('KEYPROXY_CACHE_MAX_BYTES', ['cache', 'max_bytes'], 'Bound of the cache, for the process.'),
  key('KEYPROXY_LOG_LEVEL', ['log', 'level'], 'Least level that is logged.'),
  key('KEYPROXY_TRACING_ENDPOINT', ['tracing', 'endpoint'], 'Where traces go.'),
  number('KEYPROXY_TRACING_SAMPLE_RATIO', ['tracing', 'sample_ratio'], 'The share of calls that are traced.'),
  key('KEYPROXY_LIMITS_MAX_MESSAGE_BYTES', ['limits', 'max_message_bytes'], 'Largest message.'),
  number('KEYPROXY_LIMITS_CONCURRENT_CALLS', ['limits', 'concurrent_calls'], 'Calls at a time of one caller.'),
  number('KEYPROXY_LIMITS_CALLS_PER_SECOND', ['limits', 'calls_per_second'], 'Calls a second of one caller.'),
  number(
    'KEYPROXY_LIMITS_FAILED_DECRYPTIONS_PER_MINUTE',
    ['limits', 'failed_decryptions_per_minute'],
    'Decryptions of one caller that fail.',
  ),
  number('KEYPROXY_LIMITS_CONNECTIONS', ['limits', 'connections'], 'Connections of one listener.'),
  key('KEYPROXY_POLICY', ['policy'], 'The file that says who may do what.'),
  key('KEYPROXY_AUDIT_PATH', ['audit', 'path'], 'Where the audit log goes.'),
  key('KEYPROXY_AWS_STS_ENDPOINT', ['aws', 'sts_endpoint'], 'Where roles are assumed.'),
  key('KEYPROXY_AZURE_AUTHORITY_HOST', ['azure', 'authority_host'], 'Where tokens of Azure come from.'),
  key('KEYPROXY_GCP_OAUTH2_ENDPOINT', ['gcp', 'oauth2_endpoint'], "Where a service account's key is good."),
  key('KEYPROXY_GCP_STS_ENDPOINT', ['gcp', 'sts_endpoint'], 'Where foreign tokens are exchanged.'),
  key('KEYPROXY_GCP_IAM_ENDPOINT', ['gcp', 'iam_endpoint'], 'Where service accounts are impersonated.'),
];

const listenOverrides: readonly ListenOverride[] = [
  {
    ...{ variable: 'KEYPROXY_LISTEN_UNIX', key: 'listen[].unix', listener: 'unix', field: 'unix' },
    doc: 'Path of the Unix socket: of the one in the file, or of one more.',
  },
  {
    ...{ variable: 'KEYPROXY_LISTEN_UNIX_MODE', key: 'listen[].mode', listener: 'unix', field: 'mode' },
    doc: 'Permissions of that socket, octal digits.',
  },
  {
    ...{ variable: 'KEYPROXY_LISTEN_TCP', key: 'listen[].tcp', listener: 'tcp', field: 'tcp' },
    doc: 'Address of the TCP listener of the file, or of one more.',
  },
  {
    ...{ variable: 'KEYPROXY_LISTEN_TCP_IDENTITY', key: 'listen[].identity', listener: 'tcp', field: 'identity' },
    doc: 'How callers of that listener say who they are.',
  },
];

/** Every variable that is read, for documents. An empty value counts as none. */
export const overrides: readonly Override[] = [...listenOverrides, ...keyOverrides];

const prefix = 'KEYPROXY_';

/**
 * Variables of the same prefix that are not ours to read: where clients find the daemon, and what Kubernetes sets in
 * every pod beside a Service called keyproxy
 * (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
 */
const foreign = /^KEYPROXY_(?:ADDRESS|(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP).*)?))$/;

/** Puts the variables of `env` over `root`; an unknown one of our prefix is a warning. */
export function overlayEnvironment(
  root: MapTree,
  env: Readonly<Record<string, string | undefined>>,
  collector: ProblemCollector,
): void {
  for (const { variable, path, form } of keyOverrides) {
    const value = env[variable];
    if (value) put(root, path, treeOf(variable, forms[form](value)));
  }
  for (const { variable, listener, field } of listenOverrides) {
    const value = env[variable];
    if (value) putListener(root, listener, { field, value: treeOf(variable, value), variable, collector });
  }
  const names = overrides.map((override) => override.variable);
  for (const variable of Object.keys(env)) {
    if (!variable.startsWith(prefix) || names.includes(variable) || foreign.test(variable)) continue;
    const near = nearestName(variable, names);
    if (variable.startsWith('KEYPROXY_POLICY')) {
      // Whoever means to set a policy must not run without one.
      const message = 'is unknown; the policy is set by KEYPROXY_POLICY';
      collector.problem({ file: environmentFile, line: 0, path: variable, message });
      continue;
    }
    const advice = near === undefined ? `known are ${names.join(', ')}` : `did you mean ${near}?`;
    collector.warning({ file: environmentFile, line: 0, path: variable, message: `is unknown and ignored; ${advice}` });
  }
}

function treeOf(variable: string, value: string | number | boolean | readonly string[]): Tree {
  const at = { variable };
  if (typeof value !== 'object') return { kind: 'scalar', at, value };
  return { kind: 'list', at, items: value.map((item) => ({ kind: 'scalar', at, value: item })) };
}

/** Sets one key; where a section on the way is no section, its own problem tells so. */
function put(root: MapTree, path: readonly string[], value: Tree): void {
  let map = root;
  for (const name of path.slice(0, -1)) {
    const next = map.entries.get(name)?.value;
    if (next?.kind === 'map') map = next;
    else if (next === undefined || (next.kind === 'scalar' && next.value === null)) {
      const made = emptyMap(value.at);
      map.entries.set(name, { at: value.at, value: made });
      map = made;
    } else return;
  }
  map.entries.set(path.at(-1) ?? '', { at: value.at, value });
}

/** Sets a key of the only listener of this kind; an address adds a listener where there is none. */
function putListener(
  root: MapTree,
  listener: 'unix' | 'tcp',
  given: { field: ListenOverride['field']; value: Tree; variable: string; collector: ProblemCollector },
): void {
  const { field, value, variable, collector } = given;
  const items = listenersOf(root);
  if (items === undefined) return;
  const same = items.filter((item) => item.kind === 'map').filter((item) => item.entries.has(listener));
  const [only] = same;
  const refuse = (message: string) => collector.problem({ file: environmentFile, line: 0, path: variable, message });
  if (same.length > 1) {
    refuse(`is ambiguous: the file has ${same.length} ${listener} listeners; change the file instead`);
  } else if (only !== undefined) {
    only.entries.set(field, { at: value.at, value });
  } else if (field !== listener) {
    const name = `KEYPROXY_LISTEN_${listener.toUpperCase()}`;
    refuse(`there is no ${listener} listener for it; name one in the file, or by ${name}`);
  } else {
    const added = emptyMap(value.at);
    added.entries.set(listener, { at: value.at, value });
    // A variable alone stands in the default's place.
    const at = written(root, 'listen')?.at ?? value.at;
    root.entries.set('listen', { at, value: { kind: 'list', at, items: [...items, added] } });
  }
}

/** The file's listeners; undefined where it has something else there, whose own problem tells so. */
function listenersOf(root: MapTree): readonly Tree[] | undefined {
  const present = written(root, 'listen')?.value;
  if (present === undefined) return [];
  return present.kind === 'list' ? present.items : undefined;
}
