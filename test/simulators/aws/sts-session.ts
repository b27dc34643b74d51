/** A session under a role, as STS makes it once it has decided to, and the XML that tells of it. */
import { deflateRawSync } from 'node:zlib';
import { escapeXml, stsError } from './errors.ts';
import type { CredentialStore, IssuedCredentials, Principal, Role } from './identities.ts';
import { type PolicyDocument, parsePolicy } from './policy-document.ts';

/** What a session is made with. */
export interface SessionTerms {
  readonly sessionName: string;
  readonly seconds: number;
  /** JSON, as the request had it. */
  readonly policy: string | undefined;
}

export interface IssuedSession {
  readonly credentials: IssuedCredentials;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly principal: Principal;
  /** The session policy's share of what fits, in percent; absent where there is none. */
  readonly packedPercent?: number;
}

/**
 * How many bytes a session policy may have once it is packed. AWS publishes neither format nor figure, only that there
 * is such a limit beside the one of 2,048 characters (STS API reference, AssumeRole, `PackedPolicySize`).
 */
const packedLimit = 1024;

/** Makes a session; throws for a session policy that is none or too large, and for more time than the role gives. */
export function startSession(
  role: Role,
  terms: SessionTerms,
  { credentials, now }: { credentials: CredentialStore; now: number },
): IssuedSession {
  const { sessionName, seconds, policy } = terms;
  if (seconds > role.maxSessionSeconds) {
    throw stsError(
      'ValidationError',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  const sessionPolicy = readSessionPolicy(policy);
  const packedPercent = policy === undefined ? undefined : packedSize(policy);
  const principal: Principal = {
    kind: 'session',
    arn: `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/${sessionName}`,
    accountId: role.accountId,
    uniqueId: `${role.uniqueId}:${sessionName}`,
    sessionName,
    role,
    ...(sessionPolicy && { sessionPolicy }),
  };
  // STS tells whole seconds, so the session ends with the second that it tells.
  const expiresAt = (Math.floor(now / 1000) + Math.min(seconds, credentials.longestSessionSeconds)) * 1000;
  const issued = credentials.issue(principal, expiresAt);
  return { credentials: issued, expiresAt, principal, ...(packedPercent !== undefined && { packedPercent }) };
}

/** The elements of an answer that tell of a session. */
export function sessionXml({ credentials, expiresAt, principal, packedPercent }: IssuedSession): string {
  const secret =
    element('AccessKeyId', credentials.accessKeyId) +
    element('SecretAccessKey', credentials.secretAccessKey) +
    element('SessionToken', credentials.sessionToken ?? '') +
    element('Expiration', new Date(expiresAt).toISOString().replace('.000Z', 'Z'));
  return (
    element('AssumedRoleUser', element('AssumedRoleId', principal.uniqueId) + element('Arn', principal.arn)) +
    element('Credentials', secret) +
    (packedPercent === undefined ? '' : element('PackedPolicySize', String(packedPercent)))
  );
}

/** One element; content that begins with a tag stands as it is. */
export function element(name: string, content: string): string {
  return `<${name}>${content.startsWith('<') ? content : escapeXml(content)}</${name}>`;
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

function packedSize(policy: string): number {
  const percent = Math.ceil((100 * deflateRawSync(policy).length) / packedLimit);
  if (percent <= 100) return percent;
  throw stsError('PackedPolicyTooLarge', `The session policy is ${percent}% of the packed size that is allowed.`);
}
