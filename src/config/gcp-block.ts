/**
 * The `gcp_kms` block: one key, and who asks for it. The patterns are those of the Cloud KMS resource names
 * (https://cloud.google.com/kms/docs/resource-hierarchy) and of service accounts' addresses.
 */
import type { GcpCredential, GcpKeyConfig } from '../kms/key-config.ts';
import { endpoint, endpointProblem } from './address.ts';
import { checkGoesWith, type KeysOf } from './goes-with.ts';
import { byDefault, optional, required, type Shape, scalar, section, type Values } from './shape.ts';
import { choice, path, text } from './values.ts';

const keyType = 'the full name of a key (projects/P/locations/L/keyRings/R/cryptoKeys/K)';
const keyPattern =
  /^projects\/[a-z0-9.:-]{1,128}\/locations\/[a-z0-9-]{1,63}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63}$/;
const versionTail = /\/cryptoKeyVersions\/[^/]*$/;

const keyName: Shape<string> = scalar(keyType, (value) => {
  if (typeof value === 'string' && keyPattern.test(value)) return { value };
  if (typeof value === 'string' && keyPattern.test(value.replace(versionTail, ''))) {
    return { wrong: 'names a version of a key; give the key here, and the number of the version as key_version' };
  }
  return { wrong: `must be ${keyType}` };
});

const fields = {
  key_name: required(keyName, 'The key.'),
  key_version: optional(
    text('the number of a version, in quotes ("3")', /^[1-9]\d{0,9}$/),
    'New data keys go under this version. Every version of the key is read.',
    'the primary; of an RSA key the newest that is enabled',
  ),
  impersonate: optional(
    text(
      "a service account's address (NAME@PROJECT.iam.gserviceaccount.com)",
      /^[a-z0-9-]{1,63}@[a-z0-9.-]{1,128}\.gserviceaccount\.com$/,
    ),
    'Service account that keyproxy acts as.',
  ),
  credential: byDefault(
    choice(['application_default', 'workload_identity_federation', 'service_account_file']),
    'application_default',
    'How keyproxy proves who it is.',
  ),
  federation_file: optional(
    path,
    'Credential configuration of type `external_account`, for `workload_identity_federation`.',
  ),
  service_account_file: optional(path, "JSON file with a service account's key, for `service_account_file`."),
  endpoint: optional(
    endpoint,
    'A private or regional endpoint, or a simulator. HTTPS and at googleapis.com, unless it is listed under ' +
      "`trusted_endpoints` in the daemon's file: calls carry keyproxy's token, which is good for other keys too.",
    "Google's own",
  ),
};

type GcpBlock = Values<typeof fields>;

/** Credential → the key that goes with it, and with no other. */
const credentialFiles = {
  workload_identity_federation: 'federation_file',
  service_account_file: 'service_account_file',
} as const;

const credentialKeys: KeysOf<GcpBlock['credential']> = {
  application_default: { needs: [], takes: [] },
  workload_identity_federation: { needs: [credentialFiles.workload_identity_federation], takes: [] },
  service_account_file: { needs: [credentialFiles.service_account_file], takes: [] },
};

/** The block's shape; `trustedEndpoints` are the origins that need not be HTTPS or remote. */
export function gcpBlock(trustedEndpoints: readonly string[]): Shape<GcpBlock> {
  return section(fields, (values, block) => {
    const { credential: choice } = values;
    if (choice !== undefined) checkGoesWith(block, { kind: 'credential', choice, keys: credentialKeys });
    const trouble = values.endpoint === undefined ? undefined : hostProblem(values.endpoint, trustedEndpoints);
    if (trouble !== undefined) block.problem('endpoint', trouble);
  });
}

/**
 * A call to Cloud KMS carries a bearer token, and one of keyproxy's own identity opens the keys of every customer who
 * trusts it. So a tenant's file names hosts of Google's alone; others are the operator's to trust.
 */
function hostProblem(origin: string, trusted: readonly string[]): string | undefined {
  const trouble = endpointProblem(origin, trusted);
  if (trouble !== undefined || trusted.includes(origin)) return trouble;
  if (new URL(origin).hostname.endsWith('.googleapis.com')) return undefined;
  return "is not at googleapis.com; use another, or list it under trusted_endpoints in the daemon's file";
}

/** The key as the provider takes it; `absolute` makes paths absolute. */
export function gcpKeyConfig(block: GcpBlock, absolute: (path: string) => string): GcpKeyConfig {
  return {
    provider: 'gcp_kms',
    keyName: block.key_name,
    ...(block.key_version !== undefined && { keyVersion: block.key_version }),
    ...(block.impersonate !== undefined && { impersonate: block.impersonate }),
    ...(block.endpoint !== undefined && { endpoint: block.endpoint }),
    credential: credentialOf(block, absolute),
  };
}

function credentialOf(block: GcpBlock, absolute: (path: string) => string): GcpCredential {
  const { credential: kind } = block;
  if (kind === 'application_default') return { kind };
  return { kind, file: absolute(block[credentialFiles[kind]] ?? '') };
}
