/** A key in a tenant's file: the name of a provider, and exactly that provider's block. */
import { dirname, resolve } from 'node:path';
import type { KeyConfig } from '../kms/key-config.ts';
import type { ProviderName } from '../kms/key-service.ts';
import { awsBlock, awsKeyConfig } from './aws-block.ts';
import { azureBlock, gcpBlock, vaultBlock } from './later-blocks.ts';
import { optional, required, type Section, type Shape, section } from './shape.ts';
import { choice, path, text } from './values.ts';

/** What the daemon decides and a tenant's file must keep to. */
export interface TenantFileOptions {
  /** Whether the provider `local` may be used: `allow_local` of the daemon's file. */
  readonly allowLocal: boolean;
  /** Origins of `trusted_endpoints` of the daemon's file: they need not be HTTPS or remote. */
  readonly trustedEndpoints: readonly string[];
}

const providers = ['aws_kms', 'azure_kv', 'gcp_kms', 'vault', 'local'] as const satisfies readonly ProviderName[];

/** The providers of this version. */
const offered: readonly ProviderName[] = ['aws_kms', 'local'];

const localBlock = section({
  key_name: required(
    text('1 to 128 characters of [A-Za-z0-9._/-]', /^[A-Za-z0-9._/-]{1,128}$/),
    'Names the key in what it wraps; another key needs another name.',
  ),
  key_file: required(path, 'File with 32 random bytes, mode 0600.'),
});

/** The keys `provider` and one for each provider's block. */
export function keyFields(options: TenantFileOptions) {
  return {
    provider: required(choice(providers), 'Whose key service holds the key; names the block that must be there.'),
    aws_kms: optional(awsBlock(options.trustedEndpoints), 'A key of AWS KMS.', 'with its `provider`'),
    azure_kv: optional(
      azureBlock(options.trustedEndpoints),
      'A key of Azure Key Vault. Not in this version.',
      'with its `provider`',
    ),
    gcp_kms: optional(gcpBlock(), 'A key of Google Cloud KMS. Not in this version.', 'with its `provider`'),
    vault: optional(
      vaultBlock(options.trustedEndpoints),
      'A key of HashiCorp Vault or OpenBao. Not in this version.',
      'with its `provider`',
    ),
    local: optional(localBlock, 'A key in a file, for development: needs `allow_local`.', 'with its `provider`'),
  };
}

/** What `keyFields` reads as. */
export interface KeyValues {
  readonly provider: ProviderName;
  readonly aws_kms: Parameters<typeof awsKeyConfig>[0] | undefined;
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
  if (!offered.includes(provider)) {
    key.problem('provider', `provider ${provider} is not in this version of keyproxy; ${offered.join(' and ')} are`);
  }
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

/** The key as a provider takes it; undefined where its block is not there. Paths are taken from the folder of `file`. */
export function keyConfig(values: KeyValues, file: string): KeyConfig | undefined {
  if (values.provider === 'aws_kms' && values.aws_kms !== undefined) return awsKeyConfig(values.aws_kms);
  if (values.provider === 'local' && values.local !== undefined) {
    const { key_name: keyName, key_file: keyFile } = values.local;
    return { provider: 'local', keyName, keyFile: resolve(dirname(file), keyFile) };
  }
  return undefined;
}
