/**
 * The checks of a credential configuration of type `external_account`. It comes with a tenant's file, and it says
 * where tokens go and where they come from; so it is followed to Google's own token services, to the authorities of the
 * daemon's file, and nowhere else (https://cloud.google.com/docs/authentication/external/externally-sourced-credentials).
 * Any other host of Google's is one where anybody may have a place to keep what he is sent, a storage bucket say.
 */

import type { Authorities } from '../authorities.ts';
import type { Fields } from '../fields.ts';
import { textField, unusableFile } from './credential-file.ts';
import { longestTokenSeconds, shortestTokenSeconds } from './impersonation.ts';

/** What a configuration that passed the checks says. */
export interface FederationConfig {
  readonly audience: string;
  readonly subjectTokenType: string;
  readonly tokenUrl: string;
  /** The service account that the federated identity acts as, where it does not have the key's roles itself. */
  readonly impersonation?: { readonly origin: string; readonly email: string; readonly lifetimeSeconds: number };
}

const impersonationPath =
  /^\/v1\/projects\/-\/serviceAccounts\/([a-z0-9.-]{1,128}@[a-z0-9.-]{1,128}):generateAccessToken$/;
/**
 * Hosts of a service: its global one, with mutual TLS, by region, and behind Private Service Connect
 * (https://cloud.google.com/vpc/docs/regional-service-endpoints, https://google.aip.dev/auth/4117).
 */
const googleHosts = { sts: hostsOf('sts'), iamcredentials: hostsOf('iamcredentials') } as const;

function hostsOf(service: string): RegExp {
  const label = '[a-z0-9-]+';
  const names = [
    `(?:${label}\\.)?${service}(?:\\.mtls)?`,
    `${service}\\.${label}(?:\\.rep)?(?:\\.mtls)?`,
    `${label}-${service}(?:\\.mtls)?`,
    `${service}-${label}\\.p(?:\\.mtls)?`,
  ];
  return new RegExp(`^(?:${names.join('|')})\\.googleapis\\.com$`);
}

/** Where clouds tell a machine who it is; plain HTTP by nature. */
const metadataHosts = ['169.254.169.254', '[fd00:ec2::254]', 'metadata.google.internal'];

/** Reads and checks a configuration. Throws a `KmsError`, a fault of the configuration that says what is wrong. */
export function federationConfig(
  json: Fields,
  { authorities, setting }: { authorities: Authorities; setting: string },
): FederationConfig {
  if (json['type'] !== 'external_account') throw unusableFile(`the file of ${setting} is not of type external_account`);
  checkSource(json, setting);
  const tokenUrl = textField(json, 'token_url', setting);
  if (!isAuthority(tokenUrl, 'sts', authorities.gcpSts)) throw elsewhere('token_url', 'gcp.sts_endpoint', setting);
  return {
    audience: textField(json, 'audience', setting),
    subjectTokenType: textField(json, 'subject_token_type', setting),
    tokenUrl,
    ...impersonationOf(json, { authorities, setting }),
  };
}

function impersonationOf(
  json: Fields,
  { authorities, setting }: { authorities: Authorities; setting: string },
): Pick<FederationConfig, 'impersonation'> {
  const url = json['service_account_impersonation_url'];
  if (url === undefined) return {};
  if (typeof url !== 'string' || !isAuthority(url, 'iamcredentials', authorities.gcpIam)) {
    throw elsewhere('service_account_impersonation_url', 'gcp.iam_endpoint', setting);
  }
  const { origin, pathname } = new URL(url);
  const email = impersonationPath.exec(pathname.replace(/%40/, '@'))?.[1];
  if (email === undefined) {
    throw unusableFile(`the service_account_impersonation_url in the file of ${setting} names no service account`);
  }
  return { impersonation: { origin, email, lifetimeSeconds: lifetimeOf(json) } };
}

function lifetimeOf(json: Fields): number {
  const { service_account_impersonation: options } = json;
  const wanted: unknown =
    typeof options === 'object' && options !== null && 'token_lifetime_seconds' in options
      ? options.token_lifetime_seconds
      : undefined;
  if (typeof wanted !== 'number') return shortestTokenSeconds;
  return Math.min(Math.max(Math.floor(wanted), shortestTokenSeconds), longestTokenSeconds);
}

/** A program that a file names is not run, and a token is not fetched in the clear but from the machine's own cloud. */
function checkSource(json: Fields, setting: string): void {
  const source = json['credential_source'];
  if (typeof source !== 'object' || source === null) {
    throw unusableFile(`the file of ${setting} has no credential_source`);
  }
  if ('executable' in source) {
    throw unusableFile(`the credential_source in the file of ${setting} is a program; name a file or a URL`);
  }
  for (const [name, value] of Object.entries(source)) {
    if (!name.endsWith('url') || typeof value !== 'string') continue;
    const url = URL.parse(value.replaceAll(/[{}]/g, ''));
    if (url === null || (url.protocol !== 'https:' && !metadataHosts.includes(url.hostname))) {
      throw unusableFile(`the ${name} in the credential_source of the file of ${setting} must be https`);
    }
  }
}

/** Whether a URL leads to the daemon's own authority, or to one of Google's hosts of `service`, global or regional. */
function isAuthority(text: string, service: keyof typeof googleHosts, authority: string | undefined): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  if (authority !== undefined && url.origin === new URL(authority).origin) return true;
  return url.protocol === 'https:' && url.port === '' && googleHosts[service].test(url.hostname);
}

function elsewhere(field: string, authority: string, setting: string) {
  return unusableFile(
    `the ${field} in the file of ${setting} is neither Google's own nor what ${authority} in the daemon's file names`,
  );
}
