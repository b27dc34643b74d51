/**
 * One request from its bytes to its answer: which service, who signed, which injected fault, which operation.
 *
 * Knows no sockets; what a fault does to the connection is `../http/delivery.ts`.
 */
import { randomUUID } from 'node:crypto';
import { pause, systemClock } from '../../../src/base/clock.ts';
import type { Answer } from '../http/delivery.ts';
import type { Fault, Faults } from '../http/fault.ts';
import type { Call } from './calls.ts';
import { contentTypes, errorBody, kmsError, ServiceError, type ServiceName, stsError } from './errors.ts';
import type { CredentialStore, Role } from './identities.ts';
import type { KeyStore } from './keys.ts';
import { kmsOperations } from './kms.ts';
import type { OidcIssuer } from './oidc.ts';
import type { RateLimit } from './rate-limit.ts';
import { RequestFields } from './request-fields.ts';
import { type SignedRequest, type Signer, verifySignature } from './sigv4.ts';
import { openOperations, signedOperations, stsVersion } from './sts.ts';

/** Everything that requests read and change. */
export interface SimulatedCloud {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly credentials: CredentialStore;
  readonly roles: Map<string, Role>;
  readonly keys: KeyStore;
  readonly issuers: OidcIssuer[];
  readonly faults: Faults<AwsFaultTarget>;
  readonly rateLimit: RateLimit;
  readonly calls: Call[];
}

/** What a fault is chosen by. */
export type AwsFaultTarget = {
  readonly service: ServiceName;
  readonly operation: string;
  readonly keyArn: string | undefined;
};

/** What becomes known of a call while it is answered. */
interface Notes {
  readonly service: ServiceName;
  operation: string;
  keyArn?: string;
  principalArn?: string;
  encryptionContext?: Readonly<Record<string, string>>;
  roleSessionName?: string;
  fault?: Fault;
}

/** Answers a request; rejects only with the signal's reason, when an injected wait is cut short. */
export async function dispatch(request: SignedRequest, cloud: SimulatedCloud, signal: AbortSignal): Promise<Answer> {
  const requestId = randomUUID();
  const notes: Notes = { service: serviceOf(request), operation: '' };
  const at = cloud.now();
  const finish = (status: number, body: string, outcome: string): Answer => {
    const { fault, ...known } = notes;
    const replaced = fault !== undefined && ['reset', 'hang', 'html'].includes(fault.kind);
    cloud.calls.push({ ...known, outcome: replaced ? `fault:${fault.kind}` : outcome, requestId, at });
    const headers = { ...headersFor(notes, requestId), date: new Date(cloud.now()).toUTCString() };
    return { status, headers, body, ...(fault === undefined ? {} : { fault }) };
  };
  try {
    const body =
      notes.service === 'kms'
        ? callKms(request, cloud, { notes, signal })
        : callSts(request, cloud, { notes, signal, requestId });
    return finish(200, await body, 'ok');
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return finish(error.status, errorBody(notes.service, error, requestId), error.code);
  }
}

function serviceOf(request: SignedRequest): ServiceName {
  const form = request.headers['content-type']?.[0]?.startsWith('application/x-www-form-urlencoded') ?? false;
  return form && request.headers['x-amz-target'] === undefined ? 'sts' : 'kms';
}

function headersFor({ service, fault }: Notes, requestId: string): Record<string, string> {
  const retryAfter = fault?.kind === 'throttle' ? fault.retryAfterSeconds : undefined;
  return {
    'content-type': contentTypes[service],
    'x-amzn-requestid': requestId,
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  };
}

async function callKms(
  request: SignedRequest,
  cloud: SimulatedCloud,
  { notes, signal }: { notes: Notes; signal: AbortSignal },
): Promise<string> {
  const target = /^TrentService\.(\w+)$/.exec(request.headers['x-amz-target']?.join() ?? '')?.[1] ?? '';
  const operation = kmsOperations.get(target);
  const json = request.headers['content-type']?.join() === contentTypes.kms;
  if (operation === undefined || request.method !== 'POST' || request.target !== '/' || !json) {
    throw kmsError('UnknownOperationException');
  }
  notes.operation = target;
  const { principal, region } = identify(request, cloud, notes);
  const fields = RequestFields.parse(request.body);
  const kms = { fields, principal, region, keys: cloud.keys };
  noteKmsFields(kms, notes);
  if (principal.kind === 'session') notes.roleSessionName = principal.sessionName;
  if ((await suffer(cloud, notes, signal)) === 'replaced') return '';
  if (!cloud.rateLimit.admits(principal.accountId, region)) throw throttled('kms');
  return JSON.stringify(await operation(kms));
}

async function callSts(
  request: SignedRequest,
  cloud: SimulatedCloud,
  { notes, signal, requestId }: { notes: Notes; signal: AbortSignal; requestId: string },
): Promise<string> {
  const parameters = new URLSearchParams(request.body.toString('utf8'));
  const action = parameters.get('Action') ?? '';
  if (action === '') throw stsError('MissingAction', 'The request must contain the parameter Action');
  const version = parameters.get('Version');
  const isKnown = signedOperations.has(action) || openOperations.has(action);
  if (!isKnown || version !== stsVersion || request.method !== 'POST' || request.target !== '/') {
    throw stsError(
      'InvalidAction',
      `Could not find operation ${action} for version ${version ?? 'NO_VERSION_SPECIFIED'}`,
    );
  }
  notes.operation = action;
  const signer = signedOperations.has(action) ? identify(request, cloud, notes) : undefined;
  const caller = signer?.principal.kind === 'session' ? signer.principal.sessionName : null;
  const sessionName = parameters.get('RoleSessionName') ?? caller;
  if (sessionName !== null) notes.roleSessionName = sessionName;
  if ((await suffer(cloud, notes, signal)) === 'replaced') return '';
  const { credentials, roles, issuers } = cloud;
  const asked = { parameters, credentials, roles, issuers, now: cloud.now() };
  const result = signer ? signedOperations.get(action)?.({ ...asked, ...signer }) : openOperations.get(action)?.(asked);
  return (
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/${stsVersion}/"><${action}Result>${result}</${action}Result>` +
    `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`
  );
}

function identify(request: SignedRequest, cloud: SimulatedCloud, notes: Notes): Signer {
  const find = (accessKeyId: string) => cloud.credentials.find(accessKeyId);
  const signer = verifySignature(request, { service: notes.service, now: cloud.now(), find });
  notes.principalArn = signer.principal.arn;
  return signer;
}

/** Lets the call meet its fault; `replaced` when the operation does not run at all. */
async function suffer(cloud: SimulatedCloud, notes: Notes, signal: AbortSignal): Promise<'runs' | 'replaced'> {
  const { service, operation, keyArn } = notes;
  const fault = cloud.faults.take({ service, operation, keyArn });
  if (fault === undefined) return 'runs';
  notes.fault = fault;
  switch (fault.kind) {
    case 'latency':
      await pause(systemClock, fault.ms, signal);
      return 'runs';
    case 'error':
      throw new ServiceError(fault.code, fault.status, fault.message ?? '');
    case 'throttle':
      throw throttled(service);
    case 'half-open':
    case 'truncate':
    case 'trickle':
      return 'runs';
    case 'reset':
    case 'hang':
    case 'html':
      return 'replaced';
  }
}

function throttled(service: ServiceName): ServiceError {
  return service === 'kms'
    ? kmsError(
        'ThrottlingException',
        'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
      )
    : stsError('Throttling', 'Rate exceeded');
}

/** Which key and context a request is about, as far as it can be told before the request is checked. */
function noteKmsFields(
  kms: { fields: RequestFields; region: string; keys: KeyStore; principal: Signer['principal'] },
  notes: Notes,
): void {
  const { fields, region, keys, principal } = kms;
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch {
      return undefined;
    }
  };
  const named = ['KeyId', 'SourceKeyId'].map((field) => attempt(() => fields.string(field, 2048))).find(Boolean);
  const key = attempt(() => {
    if (named !== undefined) return keys.resolve(named, { region, accountId: principal.accountId }).key;
    const family = keys.familyOf(fields.blob('CiphertextBlob', 6144));
    return family === undefined ? undefined : keys.memberIn(family, region);
  });
  const keyArn = key?.arn ?? (named?.startsWith('arn:') ? named : undefined);
  if (keyArn !== undefined) notes.keyArn = keyArn;
  const contexts = ['EncryptionContext', 'SourceEncryptionContext'].map((field) =>
    attempt(() => fields.context(field)),
  );
  const context = contexts.find((pairs) => pairs !== undefined && pairs.size > 0);
  if (context !== undefined) notes.encryptionContext = Object.fromEntries(context);
}
