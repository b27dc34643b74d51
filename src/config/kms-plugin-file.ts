/**
 * The file of `keyproxy kms-plugin`: one socket for kube-apiserver, one tenant whose key is the cluster's, and a folder
 * for what has to outlive the process. What a daemon's file says of endpoints, audit and log is said here alike.
 */
import { dirname, resolve } from 'node:path';
import { hostPort } from './address.ts';
import { auditConfig } from './audit-block.ts';
import { authoritiesOf, type DaemonConfig, daemonFields } from './daemon-file.ts';
import { longestSocketPath } from './listener.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import { byDefault, group, required, section, type Values } from './shape.ts';
import { integer, path } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** How the plugin runs, checked and with every default in place. */
export interface KmsPluginConfig {
  /** The plane underneath: its one listener is kube-apiserver's, its one tenant the cluster. */
  readonly daemon: DaemonConfig;
  /** How often the key is asked whether it may be used, and which version of it is current, in milliseconds. */
  readonly healthIntervalMs: number;
  /** The least generation that a key id may have. */
  readonly generation: number;
}

const {
  environment,
  segregation,
  trusted_endpoints,
  allow_local,
  log,
  audit,
  aws,
  azure,
  gcp,
}: Pick<
  typeof daemonFields,
  'environment' | 'segregation' | 'trusted_endpoints' | 'allow_local' | 'log' | 'audit' | 'aws' | 'azure' | 'gcp'
> = daemonFields;

/** The keys of the file. */
export const kmsPluginFields = {
  listen: required(path, 'Path of the Unix socket that `EncryptionConfiguration` names; mode 0600.'),
  tenant: required(path, "The tenant's file (`byok_config.yaml`) whose key is the cluster's; it is watched."),
  state: required(
    path,
    'Folder of its own, on a disk that survives a restart, for the key ids that were in use; it is made where it is missing.',
  ),
  generation: byDefault(
    integer(1, 999_999),
    1,
    'Least generation of the key id; the same on every control-plane node. Raise it to have a new id for the same key.',
  ),
  health: group(
    section({
      interval_seconds: byDefault(
        integer(5, 300, 'seconds'),
        60,
        'How often the key is asked whether it may be used: two calls, whoever asks for the status meanwhile.',
      ),
    }),
    'The probe of the key.',
  ),
  http: group(
    section({
      address: byDefault(
        hostPort,
        { host: '127.0.0.1', port: 9464 },
        'Address and port; `:9464` is every interface.',
        '127.0.0.1:9464',
      ),
    }),
    'Where metrics and health are served; no key operation is reachable there.',
  ),
  ...{ environment, segregation, trusted_endpoints, allow_local, audit, log, aws, azure, gcp },
};

/** Bounds that a plugin has no need to set: its one caller is kube-apiserver. */
const bounds = {
  cacheMaxBytes: 8 * 2 ** 20,
  maxMessageBytes: 2 ** 20,
  maxConnections: 64,
  callerLimits: {
    concurrentCalls: 256,
    callsPerSecond: Number.POSITIVE_INFINITY,
    failedDecryptionsPerMinute: 1200,
  },
} as const;

/**
 * Reads the plugin's file. Relative paths are taken from its folder. Reports everything that is wrong at once and never
 * throws.
 */
export function parseKmsPluginFile(text: string, file: string): Parsed<KmsPluginConfig> {
  const collector = new ProblemCollector();
  const absolute = (path: string) => resolve(dirname(file), path);
  const shape = section(kmsPluginFields, ({ listen }, root) => {
    if (listen !== undefined && Buffer.byteLength(absolute(listen)) > longestSocketPath) {
      root.problem('listen', `is longer than the ${longestSocketPath} bytes that a socket's address holds`);
    }
  });
  const read = readShape(readYaml(text, file, collector), shape, { file, collector });
  return collector.result(read && pluginConfig(read, absolute));
}

function pluginConfig(read: Values<typeof kmsPluginFields>, absolute: (path: string) => string): KmsPluginConfig {
  return {
    healthIntervalMs: read.health.interval_seconds * 1000,
    generation: read.generation,
    daemon: {
      ...bounds,
      environment: read.environment,
      listen: [
        {
          ...{ kind: 'unix', path: absolute(read.listen), mode: 0o600, transport: 'native' },
          ...{ identity: ['socket'], peerCredentials: false },
        },
      ],
      http: read.http.address,
      tenants: { kind: 'file', path: absolute(read.tenant) },
      trustedEndpoints: read.trusted_endpoints,
      allowLocal: read.allow_local,
      stateDirectory: absolute(read.state),
      logLevel: read.log.level,
      policy: {
        kind: 'rules',
        rules: [{ callers: ['socket'], tenants: ['*'], operations: ['encrypt', 'decrypt'] }],
      },
      audit: auditConfig(read.audit, absolute),
      ...(read.segregation !== undefined && { segregation: read.segregation }),
      identity: {},
      authorities: authoritiesOf(read),
    },
  };
}
