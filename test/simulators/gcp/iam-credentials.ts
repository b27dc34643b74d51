/**
 * `iamcredentials.googleapis.com`: one identity takes on a service account's.
 *
 * Source: Service Account Credentials API, projects.serviceAccounts.generateAccessToken
 * (https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken).
 */
import { authenticate } from './authentication.ts';
import type { Account } from './cloud.ts';
import { includes } from './iam.ts';
import { ServiceError } from './status.ts';
import { json, type TokenAnswer, type TokenRequest } from './token-request.ts';

const service = 'iamcredentials.googleapis.com';
const permission = 'iam.serviceAccounts.getAccessToken';
const resourceForm = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/;

/** An access token of the account that the path names, for a caller whom the account lets in. */
export function generateAccessToken(request: TokenRequest): TokenAnswer {
  const { cloud, headers } = request;
  const caller = authenticate(
    headers.authorization,
    {
      service,
      method: 'google.iam.credentials.v1.IAMCredentials.GenerateAccessToken',
      scope: 'https://www.googleapis.com/auth/iam',
    },
    cloud,
  );
  request.identify(caller.principal);
  const email = decodeURIComponent(resourceForm.exec(request.path)?.[1] ?? '');
  const { scopes, seconds, delegates } = fieldsOf(request.body);
  const account = cloud.accounts.get(email);
  if (account === undefined) {
    throw new ServiceError('NOT_FOUND', `Not found; Gaia id not found for email ${email}`);
  }
  walk([caller.principal, ...delegates.map(lastPart), email], cloud.accounts);
  const { token, expiresAt } = cloud.tokens.issue({ principal: email, project: account.project, scopes }, seconds);
  return json({ accessToken: token, expireTime: new Date(expiresAt).toISOString().replace('.000Z', 'Z') });
}

/** Each must be let in by the next, from the caller over the delegates to the account. */
function walk(chain: readonly string[], accounts: ReadonlyMap<string, Account>): void {
  for (const [at, target] of chain.slice(1).entries()) {
    const from = chain[at] ?? '';
    if ([...(accounts.get(target)?.impersonators ?? [])].some((member) => includes(member, from))) continue;
    throw new ServiceError(
      'PERMISSION_DENIED',
      `Permission '${permission}' denied on resource (or it may not exist).`,
      [{ type: 'ErrorInfo', reason: 'IAM_PERMISSION_DENIED', domain: 'iam.googleapis.com', metadata: { permission } }],
    );
  }
}

function fieldsOf(body: string): { scopes: readonly string[]; seconds: number; delegates: readonly string[] } {
  let fields: Map<string, unknown>;
  try {
    fields = new Map(Object.entries(JSON.parse(body) ?? {}));
  } catch {
    throw new ServiceError('INVALID_ARGUMENT', 'Invalid JSON payload received.');
  }
  const scopes = strings(fields.get('scope'));
  if (scopes.length === 0) throw new ServiceError('INVALID_ARGUMENT', 'Request contains an invalid argument: scope.');
  return { scopes, seconds: secondsIn(fields.get('lifetime') ?? '3600s'), delegates: strings(fields.get('delegates')) };
}

/** Up to an hour; more needs a policy of the organisation, which there is none of here. */
function secondsIn(lifetime: unknown): number {
  const seconds = Number(/^(\d+)s$/.exec(String(lifetime))?.[1] ?? Number.NaN);
  if (seconds > 0 && seconds <= 3600) return seconds;
  throw new ServiceError('INVALID_ARGUMENT', 'The access token lifetime must be a duration of at most 3600 seconds.');
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function lastPart(name: string): string {
  return name.split('/').at(-1) ?? '';
}
