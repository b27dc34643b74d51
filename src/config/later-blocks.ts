/**
 * The blocks of the providers that this version of keyproxy does not have yet. They are read, so that a file that is
 * written for them is checked, and its provider is then refused by name.
 */
import { endpoint, endpointProblem } from './address.ts';
import { byDefault, optional, required, type Section, type Shape, section } from './shape.ts';
import { choice, path, text } from './values.ts';

const name = text('1 to 256 characters without spaces', /^[^\s\p{Cc}]{1,256}$/u);
const gcpKeyType = 'the full name of a key (projects/P/locations/L/keyRings/R/cryptoKeys/K)';
const gcpKey = text(
  gcpKeyType,
  /^projects\/[a-z0-9.:-]{1,128}\/locations\/[a-z0-9-]{1,63}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63}$/,
);

/** The `azure_kv` block. */
export function azureBlock(trusted: readonly string[]): Shape<unknown> {
  return section(
    {
      vault_url: required(endpoint, 'The vault or managed HSM.'),
      key_name: required(text('1 to 127 characters of [A-Za-z0-9-]', /^[A-Za-z0-9-]{1,127}$/), 'The key.'),
      key_version: optional(text('32 hexadecimal digits', /^[0-9a-f]{32}$/i), 'Pins a version.', 'the newest'),
      tenant: optional(name, "The customer's directory (Entra tenant)."),
      client_id: optional(name, 'The application or identity that calls the vault.'),
      credential: byDefault(
        choice(['managed_identity', 'workload_identity', 'client_secret_file']),
        'managed_identity',
        'How keyproxy proves who it is.',
      ),
    },
    (values, block) => checkEndpoint(block, 'vault_url', values.vault_url, trusted),
  );
}

/** The `gcp_kms` block. */
export function gcpBlock(): Shape<unknown> {
  return section({
    key_name: required(gcpKey, 'The key.'),
    impersonate: optional(name, 'Service account that keyproxy acts as.'),
    credential: byDefault(
      choice(['application_default', 'workload_identity_federation', 'service_account_file']),
      'application_default',
      'How keyproxy proves who it is.',
    ),
  });
}

/** The `vault` block, for HashiCorp Vault and OpenBao. */
export function vaultBlock(trusted: readonly string[]): Shape<unknown> {
  return section(
    {
      address: required(endpoint, 'The server.'),
      mount: byDefault(name, 'transit', 'Where the transit engine is mounted.'),
      key_name: required(name, 'The key.'),
      namespace: optional(name, 'Namespace of the mount.'),
      ca_file: optional(path, 'PEM file with the authority that signed the server’s certificate.', "the system's"),
      auth: required(vaultAuth, 'How keyproxy logs in.'),
    },
    (values, block) => checkEndpoint(block, 'address', values.address, trusted),
  );
}

/** Login method → the keys that it needs; `mount` goes with both. */
const vaultAuthKeys = {
  kubernetes: { needs: ['role'], takes: ['role', 'audience'] },
  approle: { needs: ['role_id', 'secret_id_file'], takes: ['role_id', 'secret_id_file'] },
} as const;

const vaultAuth = section(
  {
    method: required(choice(['kubernetes', 'approle']), 'Login method.'),
    mount: optional(name, 'Where the method is mounted.', 'the name of the method'),
    role: optional(name, 'Role, for `kubernetes`.'),
    audience: optional(name, "Audience of the projected token, for `kubernetes`: each tenant's Vault has its own."),
    role_id: optional(name, 'Role id, for `approle`.'),
    secret_id_file: optional(path, 'File with the secret id, for `approle`.'),
  },
  ({ method }, auth) => {
    if (method === undefined) return;
    const { needs, takes } = vaultAuthKeys[method];
    for (const key of needs) {
      if (!auth.has(key)) auth.problem(key, `is missing; the method ${method} needs it`);
    }
    for (const key of ['role', 'audience', 'role_id', 'secret_id_file']) {
      if (auth.has(key) && !takes.some((taken) => taken === key)) auth.problem(key, `does not go with ${method}`);
    }
  },
);

function checkEndpoint(block: Section, key: string, origin: string | undefined, trusted: readonly string[]): void {
  const trouble = origin === undefined ? undefined : endpointProblem(origin, trusted);
  if (trouble !== undefined) block.problem(key, trouble);
}
