/**
 * The operations of STS that a KMS client needs, over the Query protocol.
 *
 * Source: AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity in the STS API reference; IAM user guide,
 * "Methods to assume a role" (role chaining ends after an hour), "Create a role for OpenID Connect federation".
 */
import { authorize, authorizeFederated, principalFacts } from './authorization.ts';
import { stsError } from './errors.ts';
import type { CredentialStore, Principal, Role } from './identities.ts';
import type { OidcIssuer, VerifiedToken } from './oidc.ts';
import { duration, parameter, required } from './sts-parameters.ts';
import { element, sessionXml, startSession } from './sts-session.ts';

/** One request, whoever it is from. */
export interface StsRequest {
  readonly parameters: URLSearchParams;
  readonly credentials: CredentialStore;
  readonly roles: ReadonlyMap<string, Role>;
  /** The issuers of identity tokens that accounts have made a provider of, each with `sts.amazonaws.com` as audience. */
  readonly issuers: readonly OidcIssuer[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** One authenticated request. */
export interface SignedStsRequest extends StsRequest {
  readonly principal: Principal;
  readonly region: string;
}

/** Operations that a caller signs, by their `Action`; what comes back is the XML inside `<…Result>`. */
export const signedOperations: ReadonlyMap<string, (request: SignedStsRequest) => string> = new Map([
  ['AssumeRole', assumeRole],
  ['GetCallerIdentity', getCallerIdentity],
]);

/** Operations for those who have nothing yet to sign with. */
export const openOperations: ReadonlyMap<string, (request: StsRequest) => string> = new Map([
  ['AssumeRoleWithWebIdentity', assumeRoleWithWebIdentity],
]);

/** The only version of the service. */
export const stsVersion = '2011-06-15';

/** Documented parameters that would change the session in ways the simulator does not follow. */
const refusedParameters =
  /^(PolicyArns|Tags|TransitiveTagKeys|ProvidedContexts|SerialNumber|TokenCode|SourceIdentity|ProviderId)\b/;

const chainedSession = 3600;
const webIdentityAudience = 'sts.amazonaws.com';

function assumeRole(request: SignedStsRequest): string {
  const { parameters, principal } = request;
  refuseOthers(parameters);
  const roleArn = required(parameters, 'RoleArn');
  const sessionName = required(parameters, 'RoleSessionName');
  const externalId = parameter(parameters, 'ExternalId');
  const seconds = duration(parameters);
  if (principal.kind === 'session' && seconds > chainedSession) {
    const text = 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.';
    throw stsError('ValidationError', text);
  }
  const role = request.roles.get(roleArn);
  if (role === undefined || !trusts(role, request, { sessionName, externalId })) {
    throw stsError(
      'AccessDenied',
      `User: ${principal.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
    );
  }
  return sessionXml(startSession(role, { sessionName, seconds, policy: parameter(parameters, 'Policy') }, request));
}

function assumeRoleWithWebIdentity(request: StsRequest): string {
  const { parameters, roles, now } = request;
  refuseOthers(parameters);
  const roleArn = required(parameters, 'RoleArn');
  const sessionName = required(parameters, 'RoleSessionName');
  const { issuer, token } = verified(required(parameters, 'WebIdentityToken'), request);
  const seconds = duration(parameters);
  if (token.exp * 1000 <= now) throw stsError('ExpiredTokenException', 'Token expired');
  if (!token.aud.includes(webIdentityAudience)) throw stsError('InvalidIdentityToken', 'Incorrect token audience');
  const role = roles.get(roleArn);
  if (role === undefined || !trustsToken(role, issuer, token)) {
    throw stsError('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
  }
  const session = startSession(role, { sessionName, seconds, policy: parameter(parameters, 'Policy') }, request);
  return (
    element('SubjectFromWebIdentityToken', token.sub) + element('Audience', webIdentityAudience) + sessionXml(session)
  );
}

/** Needs no permission: it even works for a caller whom every policy denies it. */
function getCallerIdentity({ principal }: SignedStsRequest): string {
  return (
    element('Arn', principal.arn) + element('UserId', principal.uniqueId) + element('Account', principal.accountId)
  );
}

function refuseOthers(parameters: URLSearchParams): void {
  const foreign = [...parameters.keys()].find((name) => refusedParameters.test(name));
  if (foreign !== undefined) throw stsError('ValidationError', `The simulator does not follow ${foreign}`);
}

function verified(text: string, { issuers }: StsRequest): { issuer: OidcIssuer; token: VerifiedToken } {
  for (const issuer of issuers) {
    const token = issuer.verify(text);
    if (token !== undefined) return { issuer, token };
  }
  throw stsError('InvalidIdentityToken', "No OpenIDConnect provider found in your account for the token's issuer");
}

function trustsToken(role: Role, { name }: OidcIssuer, token: VerifiedToken): boolean {
  const provider = `arn:aws:iam::${role.accountId}:oidc-provider/${name}`;
  const facts = new Map([
    [`${name.toLowerCase()}:sub`, [token.sub]],
    [`${name.toLowerCase()}:aud`, token.aud],
  ]);
  return authorizeFederated({ provider, action: 'sts:AssumeRoleWithWebIdentity', policy: role.trust, facts });
}

function trusts(
  role: Role,
  request: SignedStsRequest,
  given: { sessionName: string; externalId: string | undefined },
): boolean {
  const facts = new Map<string, readonly string[]>([
    ...principalFacts(request.principal, request.region),
    ['sts:rolesessionname', [given.sessionName]],
  ]);
  if (given.externalId !== undefined) facts.set('sts:externalid', [given.externalId]);
  const resource = { arn: role.arn, accountId: role.accountId, policy: role.trust };
  return authorize({ principal: request.principal, action: 'sts:AssumeRole', resource, facts }).allowed;
}
