/**
 * The `azure_kv` block: one key of a vault or a managed HSM, and who asks for it. Names are those that Azure allows
 * (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers).
 */
import type { AzureCredential, AzureKeyConfig } from '../kms/key-config.ts';
import { endpoint, endpointProblem } from './address.ts';
import { checkGoesWith, type KeysOf } from './goes-with.ts';
import { byDefault, optional, required, type Shape, section, type Values } from './shape.ts';
import { choice, path, text } from './values.ts';

const directory = text(
  "a directory's id or one of its domain names (contoso.onmicrosoft.com)",
  /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,254}[A-Za-z0-9])?$/,
);
const uuid = text('an id as 8-4-4-4-12 hexadecimal digits', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i);

const fields = {
  vault_url: required(endpoint, 'The vault (https://NAME.vault.azure.net) or managed HSM.'),
  key_name: required(text('1 to 127 characters of [A-Za-z0-9-]', /^[A-Za-z0-9-]{1,127}$/), 'The key.'),
  key_version: optional(
    text('32 hexadecimal digits', /^[0-9a-f]{32}$/i),
    'New data keys go under this version. Every version of the key is read.',
    'the newest',
  ),
  tenant: optional(
    directory,
    "The customer's directory (Entra tenant). Needed for `workload_identity` and `client_secret_file`.",
  ),
  client_id: optional(
    uuid,
    'The application that calls the vault; for `managed_identity` the one identity of several.',
    "`managed_identity`: the machine's own; `workload_identity`: `AZURE_CLIENT_ID`",
  ),
  credential: byDefault(
    choice(['managed_identity', 'workload_identity', 'client_secret_file']),
    'managed_identity',
    'How keyproxy proves who it is.',
  ),
  token_file: optional(
    path,
    'File with the projected service-account token, for `workload_identity`.',
    '`AZURE_FEDERATED_TOKEN_FILE`',
  ),
  client_secret_file: optional(
    path,
    "File with the application's secret, for `client_secret_file`; read at each login.",
  ),
};

type AzureBlock = Values<typeof fields>;

/** Credential → the keys that it needs, and those that it takes beside them. */
const credentialKeys: KeysOf<AzureBlock['credential']> = {
  managed_identity: { needs: [], takes: ['client_id', 'tenant'] },
  workload_identity: { needs: ['tenant'], takes: ['client_id', 'token_file'] },
  client_secret_file: { needs: ['tenant', 'client_id', 'client_secret_file'], takes: [] },
};

/** The block's shape; `trustedEndpoints` are the origins that need not be HTTPS or remote. */
export function azureBlock(trustedEndpoints: readonly string[]): Shape<AzureBlock> {
  return section(fields, (values, block) => {
    const trouble = values.vault_url === undefined ? undefined : vaultProblem(values.vault_url, trustedEndpoints);
    if (trouble !== undefined) block.problem('vault_url', trouble);
    const { credential: choice } = values;
    if (choice !== undefined) checkGoesWith(block, { kind: 'credential', choice, keys: credentialKeys });
  });
}

/** Trust does not help a vault without TLS: the official library sends nothing there. */
function vaultProblem(origin: string, trusted: readonly string[]): string | undefined {
  if (!origin.startsWith('https:')) return 'must begin with https://';
  return endpointProblem(origin, trusted);
}

/** The key as the provider takes it; `absolute` makes paths absolute. */
export function azureKeyConfig(block: AzureBlock, absolute: (path: string) => string): AzureKeyConfig {
  return {
    provider: 'azure_kv',
    vaultUrl: block.vault_url,
    // The same key in either case; one name, or two tenants could share a key unseen.
    keyName: block.key_name.toLowerCase(),
    ...(block.key_version !== undefined && { keyVersion: block.key_version.toLowerCase() }),
    ...(block.tenant !== undefined && { tenant: block.tenant }),
    ...(block.client_id !== undefined && { clientId: block.client_id }),
    credential: credentialOf(block, absolute),
  };
}

function credentialOf(block: AzureBlock, absolute: (path: string) => string): AzureCredential {
  const { credential: kind, token_file: tokenFile, client_secret_file: secretFile } = block;
  switch (kind) {
    case 'managed_identity':
      return { kind };
    case 'workload_identity':
      return { kind, ...(tokenFile !== undefined && { tokenFile: absolute(tokenFile) }) };
    case 'client_secret_file':
      return { kind, file: absolute(secretFile ?? '') };
  }
}
