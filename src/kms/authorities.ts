/** Where keyproxy gets its credentials from: the daemon's file says so, never a tenant's. */

/** Origins; what is absent is the provider's own. */
export interface Authorities {
  /** AWS STS, for private endpoints and simulators. */
  readonly awsSts?: string;
  /** Microsoft Entra ID. */
  readonly azure?: string;
  /** Where a service account of Google Cloud exchanges its signature for a token. */
  readonly gcpOauth2?: string;
  /** Where Google Cloud exchanges foreign tokens. */
  readonly gcpSts?: string;
  /** Where service accounts of Google Cloud are impersonated. */
  readonly gcpIam?: string;
}
