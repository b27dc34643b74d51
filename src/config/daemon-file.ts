/**
 * The daemon's own file: where it listens, who calls and what they may do, which tenants it serves, and its bounds.
 * What later versions of keyproxy have is refused by name, because whoever writes `control` must not believe that
 * something heeds it.
 */
import { dirname, resolve } from 'node:path';
import type { TenantId } from '../base/ids.ts';
import { type LogLevel, logLevels } from '../base/log-level.ts';
import type { Authorities } from '../kms/authorities.ts';
import type { Segregation } from '../kms/segregation.ts';
import { endpoint, type HostPort, hostPort } from './address.ts';
import { type AuditConfig, auditConfig, auditSection } from './audit-block.ts';
import { overlayEnvironment } from './environment.ts';
import { type MutualTlsConfig, mutualTlsConfig, mutualTlsShape } from './identity-mtls.ts';
import { jwksUriProblem, type TokenIdentity, tokenIdentity, tokenShape } from './identity-token.ts';
import { type Listener, type ListenValues, listenerOf, listenShape, longestSocketPath } from './listener.ts';
import { type PolicyFileRule, rulesWithoutPolicy } from './policy-file.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import { segregationBlock } from './segregation-block.ts';
import { byDefault, group, list, notYet, optional, required, type Section, section, type Values } from './shape.ts';
import { environmentName, type TenantConfig, tenantId } from './tenant-file.ts';
import { type TracingConfig, tracingConfig, tracingShape } from './tracing-block.ts';
import { choice, flag, formatSize, integer, path, size } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** Variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where tenants come from. */
export type TenantSource =
  /** A folder of tenant files, which is watched; absolute. With `only`, its other tenants are not served. */
  | { readonly kind: 'directory'; readonly path: string; readonly only?: readonly TenantId[] }
  /** One tenant's file, which is watched; absolute. Its tenant stays the same. */
  | { readonly kind: 'file'; readonly path: string }
  /** Built in, for development. */
  | { readonly kind: 'embedded'; readonly tenants: readonly TenantConfig[] };

/** Where the policy comes from. */
export type PolicySource =
  /** A file, which is watched; absolute. */
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'rules'; readonly rules: readonly PolicyFileRule[] };

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
  readonly logLevel: LogLevel;
  /** Where traces go; absent: calls are not traced. */
  readonly tracing?: TracingConfig;
  /** Largest unary message, in bytes. */
  readonly maxMessageBytes: number;
  /** What one caller may do for one tenant; Infinity is no bound. */
  readonly callerLimits: {
    readonly concurrentCalls: number;
    readonly callsPerSecond: number;
    readonly failedDecryptionsPerMinute: number;
  };
  /** Connections of one listener at a time. */
  readonly maxConnections: number;
  readonly policy: PolicySource;
  readonly audit: AuditConfig;
  /** Which keys an environment may use. */
  readonly segregation?: Segregation;
  /** How callers prove who they are; each is there where a listener needs it. */
  readonly identity: { readonly token?: TokenIdentity; readonly mtls?: MutualTlsConfig };
  /** Where credentials come from. */
  readonly authorities: Authorities;
}

const defaultSocket = '/run/keyproxy/keyproxy.sock';
const [mebibyte, gibibyte] = [2 ** 20, 2 ** 30];
const defaultListen: ListenValues = {
  ...{ unix: defaultSocket, tcp: undefined, mode: undefined },
  ...{ transport: undefined, identity: undefined, peer_credentials: false },
};

const tenantsSection = section({
  directory: required(path, 'Folder of tenant files (`*.yaml`, `*.yml`), one tenant each; it is watched.'),
  only: optional(
    list(tenantId, 'a list of tenants'),
    'The tenants that are served, of those in the folder; the files of others are read and left alone.',
    'all of the folder',
  ),
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
        'Folder of its own, which is made where it is missing; on a disk that survives a restart and has Unix sockets.',
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
  allow_anonymous: byDefault(
    flag,
    false,
    'Whether anonymous callers (`insecure_loopback`) may do without a policy what those of the Unix socket may: for a pod of its own, where loopback is as private as the socket.',
  ),
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
      concurrent_calls: byDefault(
        integer(1, 1_000_000, 'calls'),
        4096,
        'Calls at a time of one caller for one tenant; more are refused with `CALLER_OVER_LIMIT`.',
      ),
      calls_per_second: optional(
        integer(1, 10_000_000, 'calls'),
        'Calls a second of one caller for one tenant, in a burst of as many; more are refused with `CALLER_OVER_LIMIT`.',
        'no bound',
      ),
      failed_decryptions_per_minute: byDefault(
        integer(1, 1_000_000_000, 'decryptions'),
        1200,
        'Decryptions of one caller for one tenant that fail for what was sent; beyond, calls that open something are refused with `CALLER_OVER_LIMIT`.',
      ),
      connections: byDefault(
        integer(1, 1_000_000, 'connections'),
        1024,
        'Connections of one listener at a time; more are closed at once.',
      ),
    }),
    'Bounds on calls.',
  ),
  log: group(section({ level: byDefault(choice(logLevels), 'info', 'Least level that is logged.') }), 'The log.'),
  tracing: optional(tracingShape, 'Where traces of calls go: docs/tracing.md.', 'calls are not traced'),
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
  policy: optional(
    path,
    'File of rules that say who may do what for which tenant; it is watched. What no rule allows is denied.',
    'whoever can open the Unix socket may do everything, and nobody else anything',
  ),
  segregation: optional(
    segregationBlock,
    'Which keys an environment may use, by environment: the name or alias and the tags that they must have.',
    'none: every environment may use every key',
  ),
  identity: group(
    section({
      token: optional(tokenShape, 'Tokens of Kubernetes service accounts.', 'none are accepted'),
      mtls: optional(mutualTlsShape, "Clients' certificates with SPIFFE IDs.", 'none are accepted'),
    }),
    'How callers prove who they are, where listeners ask for it.',
  ),
};

type DaemonValues = Values<typeof fields>;

/** The keys of the daemon's file. */
export const daemonFields: typeof fields = fields;

function checkDaemon(values: Partial<DaemonValues>, root: Section, { isEmbedded }: { isEmbedded: boolean }): void {
  if (values.workers !== undefined && values.workers !== 1) {
    root.problem('workers', 'more than one worker is not in this version of keyproxy; set it to 1 or leave it out');
  }
  if (values.listen?.length === 0) root.problem('listen', 'is empty; name at least one listener or leave it out');
  const known = ['socket', ...(values.allow_anonymous === true ? ['insecure_loopback'] : [])];
  const nameless = (values.listen ?? []).flatMap(({ identity = [] }) =>
    identity.filter((mode) => !known.includes(mode)),
  );
  if (values.allow_anonymous === true && values.policy !== undefined) {
    root.problem('allow_anonymous', 'does not go with a policy, which says itself what the caller anonymous may do');
  }
  if (nameless.length > 0 && values.policy === undefined && !isEmbedded) {
    root.problem('policy', `is missing; without a policy callers by ${nameless[0]} may do nothing`);
  }
  for (const mode of ['token', 'mtls'] as const) {
    const isUsed = values.listen?.some(({ identity }) => identity?.includes(mode)) === true;
    if (isUsed && values.identity !== undefined && values.identity[mode] === undefined) {
      root.problem('identity', `a listener has identity: ${mode}, so identity.${mode} must be there`);
    }
  }
  const wrongUri =
    values.identity?.token && jwksUriProblem(values.identity.token.jwks_uri, values.trusted_endpoints ?? []);
  if (wrongUri !== undefined) root.problem('identity', `token.jwks_uri ${wrongUri}`);
  const addresses = (values.listen ?? []).map(({ unix, tcp }) => unix ?? `${tcp?.host}:${tcp?.port}`);
  if (new Set(addresses).size < addresses.length) root.problem('listen', 'names the same address twice');
}

/** What development has without a file. */
export interface Embedded {
  readonly tenants: readonly TenantConfig[];
  readonly rules: readonly PolicyFileRule[];
}

/** How a daemon's file is read. */
export interface DaemonFileOptions {
  /**
   * What stands in the place of `tenants` and of `policy` where neither file nor environment has them; without it,
   * tenants must be there.
   */
  readonly embedded?: Embedded;
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
    checkDaemon(values, root, { isEmbedded: options.embedded !== undefined });
    if (!root.has('tenants') && options.embedded === undefined) {
      root.problem('tenants', 'is missing; give tenants: { directory: FOLDER }');
    }
    if ((values.listen ?? []).some(({ unix }) => unix !== undefined && tooLong(absolute(unix)))) {
      root.problem('listen', `a socket's path is longer than the ${longestSocketPath} bytes that its address holds`);
    }
  });
  const read = readShape(yaml, shape, { file, collector });
  return collector.result(read && daemonConfig(read, absolute, options.embedded));
}

function tooLong(socket: string): boolean {
  return Buffer.byteLength(socket) > longestSocketPath;
}

function daemonConfig(
  read: DaemonValues,
  absolute: (path: string) => string,
  embedded: Embedded | undefined,
): DaemonConfig {
  return {
    environment: read.environment,
    listen: read.listen.map((entry) => listenerOf(entry, absolute)).filter((listener) => listener !== undefined),
    http: read.http.address,
    tenants:
      read.tenants === undefined
        ? { kind: 'embedded', tenants: embedded?.tenants ?? [] }
        : {
            ...{ kind: 'directory', path: absolute(read.tenants.directory) },
            ...(read.tenants.only !== undefined && { only: read.tenants.only }),
          },
    trustedEndpoints: read.trusted_endpoints,
    allowLocal: read.allow_local,
    cacheMaxBytes: read.cache.max_bytes,
    ...(read.state !== undefined && { stateDirectory: absolute(read.state.directory) }),
    logLevel: read.log.level,
    ...(read.tracing !== undefined && { tracing: tracingConfig(read.tracing) }),
    maxMessageBytes: read.limits.max_message_bytes,
    callerLimits: {
      concurrentCalls: read.limits.concurrent_calls,
      callsPerSecond: read.limits.calls_per_second ?? Number.POSITIVE_INFINITY,
      failedDecryptionsPerMinute: read.limits.failed_decryptions_per_minute,
    },
    maxConnections: read.limits.connections,
    policy:
      read.policy === undefined
        ? { kind: 'rules', rules: embedded?.rules ?? rulesWithoutPolicy(read.allow_anonymous) }
        : { kind: 'file', path: absolute(read.policy) },
    audit: auditConfig(read.audit, absolute),
    ...(read.segregation !== undefined && { segregation: read.segregation }),
    identity: {
      ...(read.identity.token !== undefined && { token: tokenIdentity(read.identity.token, absolute) }),
      ...(read.identity.mtls !== undefined && { mtls: mutualTlsConfig(read.identity.mtls, absolute) }),
    },
    authorities: authoritiesOf(read),
  };
}

/** Where credentials come from, as the sections of the clouds say. */
export function authoritiesOf({ aws, azure, gcp }: Pick<DaemonValues, 'aws' | 'azure' | 'gcp'>): Authorities {
  return {
    ...(aws.sts_endpoint !== undefined && { awsSts: aws.sts_endpoint }),
    ...(azure.authority_host !== undefined && { azure: azure.authority_host }),
    ...(gcp.oauth2_endpoint !== undefined && { gcpOauth2: gcp.oauth2_endpoint }),
    ...(gcp.sts_endpoint !== undefined && { gcpSts: gcp.sts_endpoint }),
    ...(gcp.iam_endpoint !== undefined && { gcpIam: gcp.iam_endpoint }),
  };
}
