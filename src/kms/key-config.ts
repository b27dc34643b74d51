/** What a tenant file says about one key, checked and with its defaults in place. */

/** A key of AWS KMS. */
export interface AwsKeyConfig {
  readonly provider: 'aws_kms';
  readonly keyArn: string;
  /** From the ARN unless the file names another. */
  readonly region: string;
  /** Absent: keyproxy's own identity calls the key service. */
  readonly role?: { readonly arn: string; readonly externalId: string };
  /** A VPC endpoint or a simulator; absent: the region's own, or the SDK's environment variables. */
  readonly endpoint?: string;
}

/** A key in a file. */
export interface LocalKeyConfig {
  readonly provider: 'local';
  /** Names the key in wrapped DEKs. */
  readonly keyName: string;
  /** A file with 32 raw bytes, mode 0600. */
  readonly keyFile: string;
}

/** How keyproxy proves to Microsoft Entra ID who it is. */
export type AzureCredential =
  /** The identity of the machine or pod; `clientId` names one of several. */
  | { readonly kind: 'managed_identity' }
  /** A projected service-account token, exchanged for one of the customer's directory. */
  | { readonly kind: 'workload_identity'; readonly tokenFile?: string }
  /** A service principal's secret, read from the file at each login. */
  | { readonly kind: 'client_secret_file'; readonly file: string };

/** A key of a vault or a managed HSM of Azure. */
export interface AzureKeyConfig {
  readonly provider: 'azure_kv';
  /** Origin of the vault or managed HSM, `https://acme.vault.azure.net`. */
  readonly vaultUrl: string;
  readonly keyName: string;
  /** 32 lower-case hexadecimal digits: new data keys go under this version; absent: the newest. */
  readonly keyVersion?: string;
  /** The customer's directory (Entra tenant). */
  readonly tenant?: string;
  readonly clientId?: string;
  readonly credential: AzureCredential;
}

/** How keyproxy proves to Google Cloud who it is. */
export type GcpCredential =
  | { readonly kind: 'application_default' }
  /** A credential configuration of type `external_account`. */
  | { readonly kind: 'workload_identity_federation'; readonly file: string }
  /** A service account's key, as JSON. */
  | { readonly kind: 'service_account_file'; readonly file: string };

/** A key of Google Cloud KMS. */
export interface GcpKeyConfig {
  readonly provider: 'gcp_kms';
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`. */
  readonly keyName: string;
  /** The number of a version: new data keys go under it; absent: the primary, or the newest of an RSA key. */
  readonly keyVersion?: string;
  /** Service account that keyproxy acts as. */
  readonly impersonate?: string;
  readonly credential: GcpCredential;
  /** Another origin than Google's own: a private endpoint or a simulator. */
  readonly endpoint?: string;
}

/** How keyproxy logs in to Vault; `mount` is the path of the method without slashes at its ends. */
export type VaultAuth =
  | {
      readonly method: 'kubernetes';
      readonly mount: string;
      readonly role: string;
      /** What the token must be for; one that is for somebody else is never sent. */
      readonly audience: string;
      /** A projected service-account token of that audience. */
      readonly tokenFile: string;
    }
  | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly secretIdFile: string };

/** A key of a transit engine, of Vault or OpenBao. */
export interface VaultKeyConfig {
  readonly provider: 'vault';
  /** Origin of the server. */
  readonly address: string;
  /** Path of the transit engine, without slashes at its ends. */
  readonly mount: string;
  readonly keyName: string;
  /** Without slashes at its ends. */
  readonly namespace?: string;
  /** A PEM file with the authority that signed the server's certificate; absent: those of the system. */
  readonly caFile?: string;
  readonly auth: VaultAuth;
}

/** A key of any provider. */
export type KeyConfig = AwsKeyConfig | AzureKeyConfig | GcpKeyConfig | VaultKeyConfig | LocalKeyConfig;

/** The name by which two configurations stand for the same key: its full name at its provider, without a version. */
export function keyIdOf(config: KeyConfig): string {
  switch (config.provider) {
    case 'aws_kms':
      return config.keyArn;
    case 'azure_kv':
      return `${config.vaultUrl}/keys/${config.keyName}`;
    case 'gcp_kms':
    case 'local':
      return config.keyName;
    case 'vault':
      return vaultKeyId(config);
  }
}

/** The key as a URL of Vault's own API, which a namespace is a part of. */
function vaultKeyId({ address, namespace, mount, keyName }: VaultKeyConfig): string {
  return [address, 'v1', ...(namespace === undefined ? [] : [namespace]), mount, 'keys', keyName].join('/');
}

/**
 * The name of what wraps: for the related multi-Region keys of AWS, which open what any of them wrapped, one for all
 * of them (AWS KMS Developer Guide, "Multi-Region keys"); for a key of Azure the one spelling of its name, in which
 * case does not count ("Object identifiers" in the documentation of Key Vault); else the key's own.
 */
export function materialIdOf(config: KeyConfig): string {
  if (config.provider === 'azure_kv') return keyIdOf(config).toLowerCase();
  if (config.provider !== 'aws_kms') return keyIdOf(config);
  return config.keyArn.replace(/^(arn:[^:]+:kms:)[^:]+(:[^:]+:key\/mrk-)/, '$1*$2');
}
