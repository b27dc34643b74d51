/**
 * The daemon's own file: where it listens, which tenants it serves, and its bounds. What later versions of keyproxy
 * have is refused by name, because whoever writes `policy` must not believe that one is in force.
 */
import { dirname, resolve } from 'node:path';
import type { Authorities } from '../kms/authorities.ts';
import { endpoint, type HostPort, hostPort } from './address.ts';
import { overlayEnvironment } from './environment.ts';
import { type Listener, type ListenValues, listenerOf, listenShape, longestSocketPath } from './listener.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import {
  byDefault,
  group,
  list,
  notYet,
  optional,
  required,
  type Section,
  scalar,
  section,
  type Values,
} from './shape.ts';
import { environmentName, type TenantConfig } from './tenant-file.ts';
import { choice, choiceSoFar, flag, formatSize, integer, path, size } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** Levels of the log, from the most talkative. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** Variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where tenants come from. */
export type TenantSource =
  /** A folder of tenant files, which is watched; absolute. */
  | { readonly kind: 'directory'; readonly path: string }
  /** Built in, for development. */
  | { readonly kind: 'embedded'; readonly tenants: readonly TenantConfig[] };

/** How the daemon runs, checked and with every default in place; every path is absolute. */
export interface DaemonConfig {
  readonly environment: string;
  readonly listen: readonly Listener[];
  /** Where metrics and health are served. */
  readonly http: HostPort;
  readonly tenants: TenantSource;
  /** Origins that a tenant's file may name although they are not HTTPS or not remote. */
  readonly trustedEndpoints: readonly string[];
  /** Whether tenants may use the provider `local`. */
  readonly allowLocal: boolean;
  /** Bound of all caches of the process together, in bytes. */
  readonly cacheMaxBytes: number;
  /** Where what has to outlive the process is kept; absolute. Absent: nowhere. */
  readonly stateDirectory?: string;
  readonly logLevel: (typeof logLevels)[number];
  /** Largest unary message, in bytes. */
  readonly maxMessageBytes: number;
  /** Where credentials come from. */
  readonly authorities: Authorities;
}

const defaultSocket = '/run/keyproxy/keyproxy.sock';
const [mebibyte, gibibyte] = [2 ** 20, 2 ** 30];
const defaultListen: ListenValues = {
  ...{ unix: defaultSocket, tcp: undefined, mode: undefined },
  ...{ transport: 'native', identity: undefined, peer_credentials: false },
};

const auditPath = scalar('stdout', (value) =>
  value === 'stdout' ? { value } : { wrong: 'must be stdout; other places are not in this version of keyproxy' },
);

const auditSection = section({
  path: byDefault(auditPath, 'stdout', 'Must be `stdout` in this version.'),
  on_failure: byDefault(choiceSoFar(['refuse'], ['continue']), 'refuse', 'Must be `refuse` in this version.'),
});

const tenantsSection = section({
  directory: required(path, 'Folder of tenant files (`*.yaml`, `*.yml`), one tenant each; it is watched.'),
});

const fields = {
  environment: byDefault(environmentName, 'production', 'The environment that the daemon belongs to.'),
  listen: byDefault(
    list(listenShape, 'a list of listeners'),
    [defaultListen],
    'Where applications call.',
    `\`- unix: ${defaultSocket}\``,
  ),
  http: group(
    section({ address: byDefault(hostPort, { port: 9464 }, 'Address and port; `:9464` is every interface.', ':9464') }),
    'Where metrics and health are served; no key operation is reachable there.',
  ),
  tenants: optional(tenantsSection, 'Where tenants come from.', 'must be there'),
  state: optional(
    section({
      directory: required(
        path,
        'Folder of its own, which is made where it is missing; on a disk that survives a restart.',
      ),
    }),
    "Where a customer's no is kept over a restart, and wrapped data keys for a warm start.",
    'nowhere: both are forgotten',
  ),
  trusted_endpoints: byDefault(
    list(endpoint, 'a list of URLs'),
    [],
    "Endpoints that a tenant's file may name although they are not HTTPS or not remote: simulators in tests.",
    '[]',
  ),
  allow_local: byDefault(flag, false, 'Whether tenants may use the provider `local`, a key in a file.'),
  cache: group(
    section({
      max_bytes: byDefault(
        size(mebibyte, 64 * gibibyte),
        64 * mebibyte,
        'Bound of all caches of the process together.',
        formatSize(64 * mebibyte),
      ),
    }),
    'Memory for unwrapped data keys.',
  ),
  limits: group(
    section({
      max_message_bytes: byDefault(
        size(2 ** 14, 64 * mebibyte),
        4 * mebibyte,
        'Largest message of a call.',
        formatSize(4 * mebibyte),
      ),
    }),
    'Bounds on calls.',
  ),
  log: group(section({ level: byDefault(choice(logLevels), 'info', 'Least level that is logged.') }), 'The log.'),
  aws: group(
    section({
      sts_endpoint: optional(
        endpoint,
        'Where roles are assumed, for private endpoints and simulators.',
        "the region's own, or what the SDK's environment variables say",
      ),
    }),
    'What all tenants of AWS share.',
  ),
  azure: group(
    section({
      authority_host: optional(
        endpoint,
        'Where tokens come from, for private directories and simulators.',
        "`AZURE_AUTHORITY_HOST`, else that of the vault's cloud",
      ),
    }),
    'What all tenants of Azure share.',
  ),
  gcp: group(
    section({
      oauth2_endpoint: optional(endpoint, "Where a service account's key is good.", '`https://oauth2.googleapis.com`'),
      sts_endpoint: optional(endpoint, 'Where foreign tokens are exchanged.', '`https://sts.googleapis.com`'),
      iam_endpoint: optional(
        endpoint,
        'Where service accounts are impersonated.',
        '`https://iamcredentials.googleapis.com`',
      ),
    }),
    'What all tenants of Google Cloud share.',
  ),
  audit: group(auditSection, 'The audit log.'),
  workers: byDefault(integer(1, 1024), 1, 'Must be 1 in this version.'),
  control: optional(notYet(), 'The control plane. Not in this version.'),
  policy: optional(notYet(), 'Who may do what. Not in this version.'),
  segregation: optional(notYet(), 'Which keys an environment may use. Not in this version.'),
  identity: optional(notYet(), 'How callers prove who they are. Not in this version.'),
};

type DaemonValues = Values<typeof fields>;

/** The keys of the daemon's file. */
export const daemonFields: typeof fields = fields;

function checkDaemon(values: Partial<DaemonValues>, root: Section): void {
  if (values.workers !== undefined && values.workers !== 1) {
    root.problem('workers', 'more than one worker is not in this version of keyproxy; set it to 1 or leave it out');
  }
  if (values.listen?.length === 0) root.problem('listen', 'is empty; name at least one listener or leave it out');
  const addresses = (values.listen ?? []).map(({ unix, tcp }) => unix ?? `${tcp?.host}:${tcp?.port}`);
  if (new Set(addresses).size < addresses.length) root.problem('listen', 'names the same address twice');
}

/** How a daemon's file is read. */
export interface DaemonFileOptions {
  /** What stands in the place of `tenants` where neither file nor environment has it; without, it must be there. */
  readonly embedded?: readonly TenantConfig[];
}

/**
 * Reads the daemon's file, with the environment's overrides over it. Relative paths, those of variables too, are
 * taken from the folder of `file`. Reports everything that is wrong at once and never throws.
 */
export function parseDaemonFile(
  text: string,
  file: string,
  env: Environment,
  options: DaemonFileOptions = {},
): Parsed<DaemonConfig> {
  const collector = new ProblemCollector();
  const yaml = readYaml(text, file, collector);
  overlayEnvironment(yaml.root, env, collector);
  const absolute = (path: string) => resolve(dirname(file), path);
  const shape = section(fields, (values, root) => {
    checkDaemon(values, root);
    if (!root.has('tenants') && options.embedded === undefined) {
      root.problem('tenants', 'is missing; give tenants: { directory: FOLDER }');
    }
    if ((values.listen ?? []).some(({ unix }) => unix !== undefined && tooLong(absolute(unix)))) {
      root.problem('listen', `a socket's path is longer than the ${longestSocketPath} bytes that its address holds`);
    }
  });
  const read = readShape(yaml, shape, { file, collector });
  return collector.result(read && daemonConfig(read, absolute, options.embedded ?? []));
}

function tooLong(socket: string): boolean {
  return Buffer.byteLength(socket) > longestSocketPath;
}

function daemonConfig(
  read: DaemonValues,
  absolute: (path: string) => string,
  embedded: readonly TenantConfig[],
): DaemonConfig {
  return {
    environment: read.environment,
    listen: read.listen.map((entry) => listenerOf(entry, absolute)).filter((listener) => listener !== undefined),
    http: read.http.address,
    tenants:
      read.tenants === undefined
        ? { kind: 'embedded', tenants: embedded }
        : { kind: 'directory', path: absolute(read.tenants.directory) },
    trustedEndpoints: read.trusted_endpoints,
    allowLocal: read.allow_local,
    cacheMaxBytes: read.cache.max_bytes,
    ...(read.state !== undefined && { stateDirectory: absolute(read.state.directory) }),
    logLevel: read.log.level,
    maxMessageBytes: read.limits.max_message_bytes,
    authorities: {
      ...(read.aws.sts_endpoint !== undefined && { awsSts: read.aws.sts_endpoint }),
      ...(read.azure.authority_host !== undefined && { azure: read.azure.authority_host }),
      ...(read.gcp.oauth2_endpoint !== undefined && { gcpOauth2: read.gcp.oauth2_endpoint }),
      ...(read.gcp.sts_endpoint !== undefined && { gcpSts: read.gcp.sts_endpoint }),
      ...(read.gcp.iam_endpoint !== undefined && { gcpIam: read.gcp.iam_endpoint }),
    },
  };
}
