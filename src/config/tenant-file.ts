/**
 * A tenant's file: whose data, under which key, and what the customer allows. Every key of it is a row of the tables
 * below, with its default and its sentence for the documents.
 */
import { isTenantId, type TenantId, tenantIdRule } from '../base/ids.ts';
import { type KeyConfig, keyIdOf } from '../kms/key-config.ts';
import {
  checkKey,
  type KeyPlace,
  type KeyValues,
  keyConfig,
  keyFields,
  keyShape,
  type TenantFileOptions,
} from './key-block.ts';
import { keyUse } from './key-use.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import {
  byDefault,
  list,
  optional,
  required,
  type Section,
  type Shape,
  scalar,
  section,
  type Values,
} from './shape.ts';
import { text } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** One tenant, checked and with every default in place. */
export interface TenantConfig {
  readonly tenantId: TenantId;
  /** The customer's name, for people. */
  readonly customer: string;
  /** Absent: the daemon's own. */
  readonly environment?: string;
  /** The key that wraps. */
  readonly key: KeyConfig;
  /** Keys that data keys are wrapped for as well; tried in this order where the key before gives no answer. */
  readonly replicas: readonly KeyConfig[];
  /** Keys that may still unwrap. */
  readonly retired: readonly KeyConfig[];
  /** Root keys end after `intervalDays` where rotation is enabled. */
  readonly rotation: { readonly enabled: boolean; readonly intervalDays: number };
  /** `ttlSeconds` 0 turns caching off. */
  readonly cache: { readonly ttlSeconds: number; readonly maxEntries: number; readonly warmStart: boolean };
  /** Where a data key comes from when the caller does not say. */
  readonly dekSource: 'derived' | 'kms';
  /** `foreign`: messages without the pair `tenant_id` may be opened. `suites`: which algorithm suites are read. */
  readonly decrypt: { readonly foreign: boolean; readonly suites: 'committing' | 'all' };
  readonly canary: { readonly intervalSeconds: number };
  readonly limits: {
    readonly kmsCallsPerSecond: number;
    readonly kmsConcurrency: number;
    readonly kmsTimeoutMs: number;
    readonly maxUnprovenSeconds: number;
  };
  readonly audit: { readonly logAllOperations: boolean; readonly alertOnFailures: boolean };
}

/** The rule for names of environments, here and in the daemon's file. */
export const environmentName: Shape<string> = text('1 to 64 characters of [A-Za-z0-9._-]', /^[A-Za-z0-9._-]{1,64}$/);

/** The name of a tenant. */
export const tenantId: Shape<TenantId> = scalar(tenantIdRule, (value) => {
  if (typeof value !== 'string') return { wrong: `must be text: put the ${typeof value} in quotes` };
  return isTenantId(value) ? { value } : { wrong: `must be ${tenantIdRule}` };
});

/** Most replicas of a key: a message of the format names each of them in its header. */
const maxReplicas = 4;

/** The keys of a tenant's file. */
export function tenantFields(options: TenantFileOptions) {
  const key = keyShape(options);
  const encryption = section(
    {
      ...keyFields(options),
      replicas: byDefault(
        list(key, 'a list of keys'),
        [],
        'Keys that every data key is wrapped for as well, in other regions or at other providers: each a provider and ' +
          'its block. Tried in order where the key before gives no answer, never where it refuses. At most 4.',
        '[]',
      ),
      retired: byDefault(
        list(key, 'a list of keys'),
        [],
        'Keys that may still be read: each a provider and its block.',
        '[]',
      ),
      ...keyUse,
    },
    (values, place) => {
      checkKey(values, place, options);
      if ((values.replicas?.length ?? 0) > maxReplicas) {
        place.problem('replicas', `has more than ${maxReplicas} keys, and each is one more call for a new data key`);
      }
      checkNames(values, place);
    },
  );
  return {
    customer: required(
      text('1 to 256 printable characters', /^[^\p{Cc}]{1,256}$/u),
      "The customer's name, for people.",
    ),
    tenant_id: required(tenantId, 'The name under which applications ask.'),
    environment: optional(environmentName, 'Which environment the tenant belongs to.', "the daemon's own"),
    encryption: required(encryption, 'The key and how it is used.'),
  };
}

/** A key has one part in a tenant, once: which of its settings hold must not depend on an order. */
function checkNames(
  values: Partial<KeyValues> & { readonly replicas?: readonly KeyValues[]; readonly retired?: readonly KeyValues[] },
  place: Section,
): void {
  const seen = new Set([keyName(values)]);
  for (const list of ['replicas', 'retired'] as const) {
    for (const key of values[list] ?? []) {
      const name = keyName(key);
      if (name !== undefined && seen.has(name)) place.problem(list, 'names a key that has its part already');
      seen.add(name);
    }
  }
}

function keyName(values: Partial<KeyValues>): string | undefined {
  const config = keyConfig(values, { file: '', tenantId: '' });
  return config && keyIdOf(config);
}

/**
 * Reads a tenant's file. `file` is the name it is reported under, and the folder it stands in is where its relative
 * paths begin. Reports everything that is wrong at once and never throws.
 */
export function parseTenantFile(text: string, file: string, options: TenantFileOptions): Parsed<TenantConfig> {
  const collector = new ProblemCollector();
  const read = readShape(readYaml(text, file, collector), section(tenantFields(options)), { file, collector });
  return collector.result(read && tenantConfig(read, file));
}

function tenantConfig(read: Values<ReturnType<typeof tenantFields>>, file: string): TenantConfig | undefined {
  const { encryption } = read;
  const place = { file, tenantId: read.tenant_id };
  const key = keyConfig(encryption, place);
  if (key === undefined) return undefined;
  const { limits } = encryption;
  return {
    tenantId: read.tenant_id,
    customer: read.customer,
    ...(read.environment !== undefined && { environment: read.environment }),
    key,
    replicas: keyConfigs(encryption.replicas, place),
    retired: keyConfigs(encryption.retired, place),
    rotation: { enabled: encryption.key_rotation.enabled, intervalDays: encryption.key_rotation.interval_days },
    cache: {
      ttlSeconds: encryption.cache_config.ttl_seconds,
      maxEntries: encryption.cache_config.max_entries,
      warmStart: encryption.cache_config.warm_start,
    },
    dekSource: encryption.dek.source,
    decrypt: encryption.decrypt,
    canary: { intervalSeconds: encryption.canary.interval_seconds },
    limits: {
      kmsCallsPerSecond: limits.kms_calls_per_second,
      kmsConcurrency: limits.kms_concurrency,
      kmsTimeoutMs: limits.kms_timeout_ms,
      maxUnprovenSeconds: limits.max_unproven_seconds,
    },
    audit: {
      logAllOperations: encryption.audit.log_all_operations,
      alertOnFailures: encryption.audit.alert_on_failures,
    },
  };
}

function keyConfigs(keys: readonly KeyValues[], place: KeyPlace): KeyConfig[] {
  return keys.map((values) => keyConfig(values, place)).filter((config) => config !== undefined);
}
