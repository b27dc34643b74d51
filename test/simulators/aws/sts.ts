/**
 * The two operations of STS that a KMS client needs, over the Query protocol.
 *
 * Source: AssumeRole and GetCallerIdentity in the STS API reference (patterns and bounds are theirs); IAM user guide,
 * "Methods to assume a role" (role chaining ends after an hour).
 */
import { authorize, principalFacts } from './authorization.ts';
import { escapeXml, stsError } from './errors.ts';
import type { CredentialStore, Principal, Role } from './identities.ts';
import { type PolicyDocument, parsePolicy } from './policy-document.ts';

/** One authenticated request. */
export interface StsRequest {
  readonly parameters: URLSearchParams;
  readonly principal: Principal;
  readonly region: string;
  readonly credentials: CredentialStore;
  readonly roles: ReadonlyMap<string, Role>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Every operation by its `Action`; what comes back is the XML inside `<…Result>`. */
export const stsOperations: ReadonlyMap<string, (request: StsRequest) => string> = new Map([
  ['AssumeRole', assumeRole],
  ['GetCallerIdentity', getCallerIdentity],
]);

/** The only version of the service. */
export const stsVersion = '2011-06-15';

interface ParameterRule {
  readonly least: number;
  readonly most: number;
  readonly pattern: RegExp;
}

const rules = {
  RoleArn: { least: 20, most: 2048, pattern: /^[!-~]+$/ },
  RoleSessionName: { least: 2, most: 64, pattern: /^[\w+=,.@-]*$/ },
  ExternalId: { least: 2, most: 1224, pattern: /^[\w+=,.@:/-]*$/ },
  Policy: { least: 1, most: 2048, pattern: /^[\s -ÿ]+$/ },
  DurationSeconds: { least: 1, most: 9, pattern: /^\d+$/ },
} as const satisfies Record<string, ParameterRule>;

/** Documented parameters that would change the session in ways the simulator does not follow. */
const refusedParameters =
  /^(PolicyArns|Tags|TransitiveTagKeys|ProvidedContexts|SerialNumber|TokenCode|SourceIdentity)\b/;

const shortestSession = 900;
const longestSession = 43_200;
const defaultSession = 3600;
const chainedSession = 3600;

function assumeRole(request: StsRequest): string {
  const foreign = [...request.parameters.keys()].find((name) => refusedParameters.test(name));
  if (foreign !== undefined) throw stsError('ValidationError', `The simulator does not follow ${foreign}`);
  const roleArn = required(request, 'RoleArn');
  const sessionName = required(request, 'RoleSessionName');
  const externalId = parameter(request, 'ExternalId');
  const seconds = duration(request);
  const sessionPolicy = readSessionPolicy(parameter(request, 'Policy'));
  const role = request.roles.get(roleArn);
  if (role === undefined || !trusts(role, request, { sessionName, externalId })) {
    throw stsError(
      'AccessDenied',
      `User: ${request.principal.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
    );
  }
  if (seconds > role.maxSessionSeconds) {
    throw stsError(
      'ValidationError',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  return startSession(request, role, { sessionName, seconds, sessionPolicy });
}

function startSession(
  request: StsRequest,
  role: Role,
  given: { sessionName: string; seconds: number; sessionPolicy: PolicyDocument | undefined },
): string {
  const { sessionName, sessionPolicy } = given;
  const arn = `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/${sessionName}`;
  const uniqueId = `${role.uniqueId}:${sessionName}`;
  const session = { kind: 'session', arn, accountId: role.accountId, uniqueId, sessionName, role } as const;
  const principal: Principal = sessionPolicy === undefined ? session : { ...session, sessionPolicy };
  // STS tells whole seconds, so the session ends with the second that it tells.
  const expiresAt = (Math.floor(request.now / 1000) + given.seconds) * 1000;
  const issued = request.credentials.issue(principal, expiresAt);
  const credentials =
    element('AccessKeyId', issued.accessKeyId) +
    element('SecretAccessKey', issued.secretAccessKey) +
    element('SessionToken', issued.sessionToken ?? '') +
    element('Expiration', new Date(expiresAt).toISOString().replace('.000Z', 'Z'));
  return (
    element('AssumedRoleUser', element('AssumedRoleId', uniqueId) + element('Arn', arn)) +
    element('Credentials', credentials) +
    (sessionPolicy === undefined ? '' : element('PackedPolicySize', '6'))
  );
}

/** Needs no permission: it even works for a caller whom every policy denies it. */
function getCallerIdentity({ principal }: StsRequest): string {
  return (
    element('Arn', principal.arn) + element('UserId', principal.uniqueId) + element('Account', principal.accountId)
  );
}

function trusts(
  role: Role,
  request: StsRequest,
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

function duration(request: StsRequest): number {
  const seconds = Number(parameter(request, 'DurationSeconds') ?? defaultSession);
  if (seconds < shortestSession)
    throw invalid('DurationSeconds', `have value greater than or equal to ${shortestSession}`);
  if (seconds > longestSession) throw invalid('DurationSeconds', `have value less than or equal to ${longestSession}`);
  if (request.principal.kind === 'session' && seconds > chainedSession) {
    const text = 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.';
    throw stsError('ValidationError', text);
  }
  return seconds;
}

function readSessionPolicy(text: string | undefined): PolicyDocument | undefined {
  if (text === undefined) return undefined;
  try {
    return parsePolicy(text, 'identity');
  } catch (error) {
    const why = error instanceof TypeError ? error.message : 'it is not JSON';
    throw stsError('MalformedPolicyDocument', `The session policy is not usable: ${why}`);
  }
}

function required(request: StsRequest, name: keyof typeof rules): string {
  const value = parameter(request, name);
  if (value === undefined) throw invalid(name, 'not be null');
  return value;
}

function parameter({ parameters }: StsRequest, name: keyof typeof rules): string | undefined {
  const value = parameters.get(name);
  if (value === null) return undefined;
  const { least, most, pattern } = rules[name];
  if (value.length < least) throw invalid(name, `have length greater than or equal to ${least}`);
  if (value.length > most) throw invalid(name, `have length less than or equal to ${most}`);
  if (!pattern.test(value)) throw invalid(name, `satisfy regular expression pattern: ${pattern.source}`);
  return value;
}

function invalid(name: string, rule: string): Error {
  const field = name.charAt(0).toLowerCase() + name.slice(1);
  return stsError(
    'ValidationError',
    `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must ${rule}`,
  );
}

function element(name: string, content: string): string {
  return `<${name}>${content.startsWith('<') ? content : escapeXml(content)}</${name}>`;
}
