/** A key in a tenant's file: the name of a provider, and exactly that provider's block. */
import { dirname, resolve } from 'node:path';
import type { KeyConfig } from '../kms/key-config.ts';
import type { ProviderName } from '../kms/key-service.ts';
import { awsBlock, awsKeyConfig } from './aws-block.ts';
import { azureBlock, azureKeyConfig } from './azure-block.ts';
import { gcpBlock, gcpKeyConfig } from './gcp-block.ts';
import { optional, required, type Section, type Shape, section } from './shape.ts';
import { choice, path, text } from './values.ts';
import { vaultBlock, vaultKeyConfig } from './vault-block.ts';

/** What the daemon decides and a tenant's file must keep to. */
export interface TenantFileOptions {
  /** Whether the provider `local` may be used: `allow_local` of the daemon's file. */
  readonly allowLocal: boolean;
  /** Origins of `trusted_endpoints` of the daemon's file: they need not be HTTPS or remote. */
  readonly trustedEndpoints: readonly string[];
}

const providers = ['aws_kms', 'azure_kv', 'gcp_kms', 'vault', 'local'] as const satisfies readonly ProviderName[];

const localBlock = section({
  key_name: required(
    text('1 to 128 characters of [A-Za-z0-9._/-]', /^[A-Za-z0-9._/-]{1,128}$/),
    'Names the key in what it wraps; another key needs another name.',
  ),
  key_file: required(path, 'File with 32 random bytes, mode 0600.'),
});

/** The keys `provider` and one for each provider's block. */
export function keyFields({ trustedEndpoints: trusted }: TenantFileOptions) {
  const when = 'with its `provider`';
  return {
    provider: required(choice(providers), 'Whose key service holds the key; names the block that must be there.'),
    aws_kms: optional(awsBlock(trusted), 'A key of AWS KMS.', when),
    azure_kv: optional(azureBlock(trusted), 'A key of Azure Key Vault or of a managed HSM.', when),
    gcp_kms: optional(gcpBlock(trusted), 'A key of Google Cloud KMS.', when),
    vault: optional(vaultBlock(trusted), 'A key of HashiCorp Vault or OpenBao.', when),
    local: optional(localBlock, 'A key in a file, for development: needs `allow_local`.', when),
  };
}

/** What `keyFields` reads as. */
export interface KeyValues {
  readonly provider: ProviderName;
  readonly aws_kms: Parameters<typeof awsKeyConfig>[0] | undefined;
  readonly azure_kv: Parameters<typeof azureKeyConfig>[0] | undefined;
  readonly gcp_kms: Parameters<typeof gcpKeyConfig>[0] | undefined;
  readonly vault: Parameters<typeof vaultKeyConfig>[0] | undefined;
  readonly local: { readonly key_name: string; readonly key_file: string } | undefined;
}

/** A key as an item of a list. */
export function keyShape(options: TenantFileOptions): Shape<KeyValues> {
  return section(keyFields(options), (values, key) => checkKey(values, key, options));
}

/** Checks that the provider can be used here and that its block, and no other, is there. */
export function checkKey(values: Partial<KeyValues>, key: Section, options: TenantFileOptions): void {
  const { provider } = values;
  if (provider === undefined) return;
  if (provider === 'local' && !options.allowLocal) {
    key.problem('provider', "local is for development and must be allowed by allow_local: true in the daemon's file");
  }
  if (!key.has(provider)) key.problem(provider, `is missing; provider ${provider} needs a block of that name`);
  for (const other of providers) {
    if (other !== provider && key.has(other)) {
      key.problem(other, `does not go with provider ${provider}, the configuration names two providers; remove one`);
    }
  }
}

/** Where a key stands. */
export interface KeyPlace {
  /** The tenant's file; its relative paths begin in its folder. */
  readonly file: string;
  readonly tenantId: string;
}

/** The key as a provider takes it; undefined where its block is not there. */
export function keyConfig(values: Partial<KeyValues>, { file, tenantId }: KeyPlace): KeyConfig | undefined {
  const absolute = (path: string) => resolve(dirname(file), path);
  const { provider, aws_kms, azure_kv, gcp_kms, vault, local } = values;
  switch (provider) {
    case 'aws_kms':
      return aws_kms && awsKeyConfig(aws_kms);
    case 'azure_kv':
      return azure_kv && azureKeyConfig(azure_kv, absolute);
    case 'gcp_kms':
      return gcp_kms && gcpKeyConfig(gcp_kms, absolute);
    case 'vault':
      return vault && vaultKeyConfig(vault, { tenantId, absolute });
    case 'local':
      return local && { provider, keyName: local.key_name, keyFile: absolute(local.key_file) };
    default:
      return undefined;
  }
}
