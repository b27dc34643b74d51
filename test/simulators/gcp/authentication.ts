/**
 * Who sends a request, by its bearer token.
 *
 * Source: google/api/error_reason.proto (reasons and their metadata); "Authentication at Google".
 */
import type { SimulatedCloud } from './cloud.ts';
import { ServiceError } from './status.ts';
import type { TokenRecord } from './tokens.ts';

const anyScope = 'https://www.googleapis.com/auth/cloud-platform';

/** What the reason of an error names. */
interface Call {
  /** `cloudkms.googleapis.com` */
  readonly service: string;
  /** `google.cloud.kms.v1.KeyManagementService.Encrypt` */
  readonly method: string;
  /** The narrower scope that will do, too. */
  readonly scope: string;
}

/** The holder of the request's token; throws UNAUTHENTICATED, or PERMISSION_DENIED for a token of too narrow a scope. */
export function authenticate(authorization: string | undefined, call: Call, cloud: SimulatedCloud): TokenRecord {
  const metadata = { service: call.service, method: call.method };
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (token === undefined) throw unauthenticated('CREDENTIALS_MISSING', metadata);
  const holder = cloud.tokens.find(token);
  if (holder === undefined) throw unauthenticated('ACCESS_TOKEN_TYPE_UNSUPPORTED', metadata);
  if (holder.expiresAt <= cloud.now()) throw unauthenticated('ACCESS_TOKEN_EXPIRED', metadata);
  if (holder.principal.includes('@') && !cloud.accounts.has(holder.principal)) {
    throw unauthenticated('ACCOUNT_STATE_INVALID', { ...metadata, email: holder.principal });
  }
  if (!holder.scopes.some((scope) => scope === anyScope || scope === call.scope)) {
    throw new ServiceError('PERMISSION_DENIED', 'Request had insufficient authentication scopes.', [
      { type: 'ErrorInfo', reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', domain: 'googleapis.com', metadata },
    ]);
  }
  return holder;
}

function unauthenticated(reason: string, metadata: Record<string, string>): ServiceError {
  const lack =
    reason === 'CREDENTIALS_MISSING'
      ? 'Request is missing required authentication credential.'
      : 'Request had invalid authentication credentials.';
  const text = `${lack} Expected OAuth 2 access token, login cookie or other valid authentication credential.`;
  return new ServiceError('UNAUTHENTICATED', text, [{ type: 'ErrorInfo', reason, domain: 'googleapis.com', metadata }]);
}
