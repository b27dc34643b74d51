/**
 * Whether a caller may do something: its own policies, its session's policy and the resource's policy together.
 *
 * Inside one account a statement that names the caller is enough by itself, while one that names the account only hands
 * the decision to the caller's own policies. Across accounts both sides must allow. An explicit deny anywhere wins.
 * Source: IAM user guide, "Policy evaluation logic"; KMS developer guide, "Key policies" and "Allowing users in other
 * accounts to use a KMS key".
 */
import type { Permissions, Principal } from './identities.ts';
import { holds, type RequestFacts, wildcard } from './policy-conditions.ts';
import type { Patterns, PolicyDocument, Statement } from './policy-document.ts';

export interface AccessRequest {
  readonly principal: Principal;
  /** `kms:Decrypt`, say. */
  readonly action: string;
  readonly resource: { readonly arn: string; readonly accountId: string; readonly policy: PolicyDocument };
  readonly facts: RequestFacts;
}

/** The answer, with the half sentence that AWS puts behind "is not authorized to perform". */
export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly because: string };

/** How closely a resource's policy names the caller; each grants in its own way. */
type Grant = 'none' | 'account' | 'identity' | 'session';

/** Decides a request. */
export function authorize(request: AccessRequest): Decision {
  const { principal, resource } = request;
  const session = principal.kind === 'session' ? principal.sessionPolicy : undefined;
  const own = ownPolicies(principal);
  if (denies(resource.policy, request, true))
    return refused(request, 'with an explicit deny in a resource-based policy');
  if (denies(own, request) || denies(session, request)) {
    return refused(request, 'with an explicit deny in an identity-based policy');
  }
  const grant = grantOf(request);
  if (grant === 'none') return refused(request, 'because no resource-based policy allows');
  const sameAccount = principal.accountId === resource.accountId;
  if (sameAccount && grant === 'session') return { allowed: true };
  if (!allows(session ?? 'everything', request)) return refused(request, 'because no session policy allows');
  if (sameAccount && grant === 'identity') return { allowed: true };
  if (!allows(own, request)) return refused(request, 'because no identity-based policy allows');
  return { allowed: true };
}

/** Decides for a caller who has no identity of AWS, but the word of an identity provider of this ARN. */
export function authorizeFederated(request: {
  readonly provider: string;
  readonly action: string;
  readonly policy: PolicyDocument;
  readonly facts: RequestFacts;
}): boolean {
  const { provider, action, policy, facts } = request;
  const meeting = policy.statements.filter(
    (statement) =>
      (statement.federated.includes(provider) || statement.principals.includes('*')) &&
      fits(statement.actions, action, true) &&
      statement.conditions.every((condition) => holds(condition, facts)),
  );
  if (meeting.some(({ effect }) => effect === 'Deny')) return false;
  return meeting.some(({ effect, federated }) => effect === 'Allow' && federated.includes(provider));
}

/** The condition keys that every request of `principal` has. */
export function principalFacts(principal: Principal, region: string): [string, readonly string[]][] {
  const arn = principal.kind === 'session' ? principal.role.arn : principal.arn;
  return [
    ['aws:principalarn', [arn]],
    ['aws:principalaccount', [principal.accountId]],
    ['aws:requestedregion', [region]],
    ['aws:securetransport', ['false']],
  ];
}

function ownPolicies(principal: Principal): Permissions {
  return principal.kind === 'session' ? principal.role.permissions : principal.permissions;
}

function refused(request: AccessRequest, how: string): Decision {
  return { allowed: false, because: how.startsWith('because') ? `${how} the ${request.action} action` : how };
}

function allows(policies: Permissions, request: AccessRequest): boolean {
  if (policies === 'everything') return true;
  return policies.statements.some((statement) => statement.effect === 'Allow' && covers(statement, request));
}

function denies(policies: Permissions | undefined, request: AccessRequest, byPrincipal = false): boolean {
  if (policies === undefined || policies === 'everything') return false;
  return policies.statements.some(
    (statement) =>
      statement.effect === 'Deny' &&
      covers(statement, request) &&
      (!byPrincipal || strongest(statement, request.principal) !== 'none'),
  );
}

function grantOf(request: AccessRequest): Grant {
  const order: readonly Grant[] = ['none', 'account', 'identity', 'session'];
  const grants = request.resource.policy.statements
    .filter((statement) => statement.effect === 'Allow' && covers(statement, request))
    .map((statement) => strongest(statement, request.principal));
  return order.findLast((grant) => grants.includes(grant)) ?? 'none';
}

function covers(statement: Statement, request: AccessRequest): boolean {
  return (
    fits(statement.actions, request.action, true) &&
    fits(statement.resources, request.resource.arn, false) &&
    statement.conditions.every((condition) => holds(condition, request.facts))
  );
}

function fits({ patterns, negated }: Patterns, value: string, ignoreCase: boolean): boolean {
  return patterns.some((pattern) => wildcard(pattern, { ignoreCase }).test(value)) !== negated;
}

function strongest(statement: Statement, principal: Principal): Grant {
  const named = statement.principals;
  if (principal.kind === 'session' && named.includes(principal.arn)) return 'session';
  const identity = principal.kind === 'session' ? principal.role.arn : principal.arn;
  if (named.includes(identity) || named.includes('*')) return 'identity';
  const account = principal.accountId;
  if (named.includes(account) || named.includes(`arn:aws:iam::${account}:root`)) return 'account';
  return 'none';
}
