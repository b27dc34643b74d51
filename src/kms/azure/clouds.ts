/**
 * The clouds of Azure: where a vault belongs to by its host, what a token for it is called, and who gives the token
 * (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers).
 */

/** One kind of key service in one cloud. */
export interface AzureCloud {
  /** What the hosts of its vaults end with. */
  readonly suffix: string;
  /** What a token has to be for. */
  readonly scope: string;
  /** Origin of the Microsoft Entra ID of this cloud. */
  readonly authorityHost: string;
}

const authorities: Readonly<Record<string, string>> = {
  'azure.net': 'https://login.microsoftonline.com',
  'usgovcloudapi.net': 'https://login.microsoftonline.us',
  'azure.cn': 'https://login.chinacloudapi.cn',
};

const clouds: readonly AzureCloud[] = Object.entries(authorities).flatMap(([domain, authorityHost]) =>
  ['vault', 'managedhsm'].map((service) => ({
    suffix: `.${service}.${domain}`,
    scope: `https://${service}.${domain}/.default`,
    authorityHost,
  })),
);

/** The cloud that a vault belongs to, by its origin; undefined for a host that is none of Azure's. */
export function cloudOf(vaultUrl: string): AzureCloud | undefined {
  const { hostname } = new URL(vaultUrl);
  return clouds.find(({ suffix }) => hostname.endsWith(suffix));
}

/**
 * Whether a token for `scope` may go to a vault: it is one for keys, or good nowhere but at the vault's own host. A
 * private endpoint is trusted with keys; it is not to ask for the power over a whole subscription.
 */
export function isForKeys(scope: string, vaultUrl: string): boolean {
  if (clouds.some((cloud) => cloud.scope === scope)) return true;
  return URL.parse(scope)?.hostname === new URL(vaultUrl).hostname;
}
