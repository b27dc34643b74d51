/**
 * One gRPC call from its bytes to its answer: who asks, which injected fault, which method.
 *
 * Knows no sockets; what a fault does to the connection is `grpc-delivery.ts`.
 */
import { pause, systemClock } from '../../../src/base/clock.ts';
import { authenticate } from './authentication.ts';
import type { SimulatedCloud } from './cloud.ts';
import { corrupted } from './corruption.ts';
import { type Message, type Method, methods } from './definitions.ts';
import type { GcpFault } from './faults.ts';
import type { UnaryAnswer, UnaryCall } from './grpc-server.ts';
import { kmsMethods } from './kms.ts';
import { text } from './message-fields.ts';
import { keyNameOf, placeOf } from './resource-names.ts';
import { isCode, ServiceError } from './status.ts';
import type { TokenRecord } from './tokens.ts';

const kmsService = 'cloudkms.googleapis.com';
const kmsScope = 'https://www.googleapis.com/auth/cloudkms';

/** What becomes known of a call while it is answered. */
interface Notes {
  operation: string;
  key?: string;
  resource?: string;
  principal?: string;
  fault?: GcpFault;
}

/** Answers a call; rejects only with the signal's reason, when an injected wait is cut short. */
export async function dispatch(call: UnaryCall, cloud: SimulatedCloud, signal: AbortSignal): Promise<UnaryAnswer> {
  const notes: Notes = { operation: call.path.split('/').at(-1) ?? '' };
  const at = cloud.now();
  const finish = (result: Buffer | ServiceError): UnaryAnswer => {
    const { fault, ...known } = notes;
    const replaced = fault !== undefined && ['reset', 'hang', 'html'].includes(fault.kind);
    const outcome = result instanceof ServiceError ? result.code : 'ok';
    cloud.calls.push({ service: 'kms', ...known, outcome: replaced ? `fault:${fault.kind}` : outcome, at });
    return { result, ...(fault === undefined ? {} : { fault }) };
  };
  try {
    return finish(await run(call, cloud, { notes, signal }));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return finish(error);
  }
}

async function run(
  call: UnaryCall,
  cloud: SimulatedCloud,
  { notes, signal }: { notes: Notes; signal: AbortSignal },
): Promise<Buffer> {
  const method = methods.get(call.path);
  if (method === undefined) throw new ServiceError('UNIMPLEMENTED', `Method not found: ${call.path}`);
  const message = decode(method, call.message);
  noteResource(message, notes);
  const caller = authenticate(
    call.headers.authorization,
    { service: kmsService, method: call.path.slice(1).replace('/', '.'), scope: kmsScope },
    cloud,
  );
  notes.principal = caller.principal;
  if ((await suffer(cloud, notes, signal)) === 'replaced') return Buffer.alloc(0);
  checkConsumer(caller, cloud, notes.resource ?? '');
  const operation = kmsMethods.get(method.name);
  if (operation === undefined) throw new ServiceError('UNIMPLEMENTED', `The simulator does not follow ${method.name}.`);
  const answer = await operation({ message, caller, cloud });
  return method.encode(notes.fault?.kind === 'corrupt' ? corrupted(answer, notes.fault.what) : answer);
}

function decode(method: Method, bytes: Buffer): Message {
  try {
    return method.decode(bytes);
  } catch {
    throw new ServiceError('INTERNAL', 'The request message cannot be parsed.');
  }
}

function noteResource(message: Message, notes: Notes): void {
  const resource = ['name', 'parent', 'resource', 'location'].map((field) => text(message, field)).find(Boolean);
  if (resource === undefined) return;
  notes.resource = resource;
  const key = keyNameOf(resource);
  if (key !== undefined) notes.key = key;
}

/** The project of the caller's identity pays for the call: it needs the API switched on, and its quota is used up. */
function checkConsumer({ project }: TokenRecord, cloud: SimulatedCloud, resource: string): void {
  const owner = placeOf(resource);
  const without = [project, owner.project].find((candidate) => cloud.withoutKms.has(candidate));
  if (without !== undefined) throw serviceDisabled(without);
  if (!cloud.rateLimit.admits(project, owner.location)) throw quotaExceeded(project);
}

/** Lets the call meet its fault; `replaced` when the method does not run at all. */
async function suffer(cloud: SimulatedCloud, notes: Notes, signal: AbortSignal): Promise<'runs' | 'replaced'> {
  const fault = cloud.faults.take({ service: 'kms', operation: notes.operation, key: notes.key });
  if (fault === undefined) return 'runs';
  notes.fault = fault;
  switch (fault.kind) {
    case 'latency':
      await pause(systemClock, fault.ms, signal);
      return 'runs';
    case 'error':
      if (!isCode(fault.code)) throw new TypeError(`${fault.code} is no canonical code`);
      throw new ServiceError(fault.code, fault.message ?? '', fault.details);
    case 'throttle':
      throw throttled(fault.retryAfterSeconds);
    case 'half-open':
    case 'truncate':
    case 'trickle':
    case 'corrupt':
      return 'runs';
    case 'reset':
    case 'hang':
    case 'html':
      return 'replaced';
  }
}

function throttled(retryAfterSeconds: number | undefined): ServiceError {
  const retry =
    retryAfterSeconds === undefined ? [] : [{ type: 'RetryInfo', retryDelayMs: retryAfterSeconds * 1000 } as const];
  return new ServiceError('RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric of the service.', [
    { type: 'ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED', domain: 'googleapis.com', metadata: { service: kmsService } },
    ...retry,
  ]);
}

function quotaExceeded(project: string): ServiceError {
  const metadata = {
    service: kmsService,
    consumer: `projects/${project}`,
    quota_limit: 'CryptographicRequestsPerMinute',
  };
  return new ServiceError('RESOURCE_EXHAUSTED', `Quota exceeded for consumer 'projects/${project}'.`, [
    { type: 'ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED', domain: 'googleapis.com', metadata },
  ]);
}

function serviceDisabled(project: string): ServiceError {
  const url = `https://console.developers.google.com/apis/api/${kmsService}/overview?project=${project}`;
  return new ServiceError(
    'PERMISSION_DENIED',
    `Cloud Key Management Service (KMS) API has not been used in project ${project} before or it is disabled.`,
    [
      { type: 'Help', links: [{ description: 'Google developers console API activation', url }] },
      {
        type: 'ErrorInfo',
        reason: 'SERVICE_DISABLED',
        domain: 'googleapis.com',
        metadata: { service: kmsService, consumer: `projects/${project}` },
      },
    ],
  );
}
