/** Acting as another service account (https://cloud.google.com/iam/docs/reference/credentials/rest). */
import type { GcpToken } from './token.ts';
import { tokenFromImpersonation } from './token-answer.ts';
import { impersonationFaults } from './token-faults.ts';
import { askTokenService, type TokenService } from './token-http.ts';

/** The shortest life that is asked for, in seconds, and the longest that Google gives without more ado. */
export const [shortestTokenSeconds, longestTokenSeconds] = [900, 3600];

const operation = 'GenerateAccessToken';

/** Which token of which service account is asked for, and where. */
export interface Impersonation {
  /** Of the service, `https://iamcredentials.googleapis.com` say. */
  readonly origin: string;
  /** The service account's address. */
  readonly email: string;
  readonly scope: string;
  /** From 900 to 3600. */
  readonly lifetimeSeconds: number;
}

/** A token of the service account, asked for by whoever `own` stands for. Throws a `KmsError` with a sorted fault. */
export async function impersonatedToken(
  own: GcpToken,
  { origin, email, scope, lifetimeSeconds }: Impersonation,
  service: TokenService,
): Promise<GcpToken> {
  const answer = await askTokenService(service, {
    operation,
    url: `${origin}/v1/projects/-/serviceAccounts/${encodeURIComponent(email)}:generateAccessToken`,
    headers: { authorization: own.authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ scope: [scope], lifetime: `${lifetimeSeconds}s` }),
    faults: impersonationFaults,
  });
  return tokenFromImpersonation(operation, answer);
}
