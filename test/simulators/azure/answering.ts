/**
 * One request from its bytes to its answer: what all three services do alike. What each of them does with a request is
 * in `vault.ts`, `entra.ts` and `imds.ts`; what a fault does to the connection is `../http/delivery.ts`.
 */
import { randomUUID } from 'node:crypto';
import { pause, systemClock } from '../../../src/base/clock.ts';
import type { Answer } from '../http/delivery.ts';
import type { Fault, Faults } from '../http/fault.ts';
import type { AzureFaultTarget, AzureService, Call } from './calls.ts';

/** A request as it came. */
export interface Request {
  readonly method: string;
  /** The path as sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name; of a header that came more than once, the values joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** A success: its body where it has one, and headers of its own. */
export interface Reply {
  /** 200 unless given. */
  readonly status?: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is an error. `body` goes to the caller as JSON; it never holds a secret. */
export class ServiceError extends Error {
  /** What tests and logs know it by: the inner code where there is one. */
  readonly code: string;
  /** HTTP status. */
  readonly status: number;
  readonly body: object | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(options: {
    readonly code: string;
    readonly status: number;
    /** Empty where none is given. */
    readonly body?: object;
    readonly headers?: Readonly<Record<string, string>>;
  }) {
    super(options.code);
    this.name = 'ServiceError';
    this.code = options.code;
    this.status = options.status;
    this.body = options.body;
    this.headers = options.headers ?? {};
  }
}

/** What becomes known of a call while it is answered. */
export interface Notes {
  readonly service: AzureService;
  readonly requestId: string;
  operation: string;
  key?: string;
  keyVersion?: string;
  algorithm?: string;
  clientId?: string;
  fault?: Fault;
}

/** How one service answers. */
export interface Service {
  readonly name: AzureService;
  /**
   * Answers, or throws a `ServiceError`. It calls `meetFaults` once it knows whose call this is, and goes no further
   * where that throws.
   */
  handle(request: Request, call: { readonly notes: Notes; meetFaults(): Promise<void> }): Promise<Reply>;
  /** The error that an injected fault asks for, in the service's own form. */
  fail(fault: Fault & { kind: 'error' }, notes: Notes): ServiceError;
  throttled(notes: Notes): ServiceError;
  /** Headers of every answer. */
  headers(notes: Notes, request: Request): Readonly<Record<string, string>>;
}

/** What every answer needs. */
export interface Desk {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly faults: Faults<AzureFaultTarget>;
  readonly calls: Call[];
}

/** Thrown in place of an answer that nobody will see, because a fault takes its place. */
class Replaced extends Error {}

/** Answers a request; rejects with the signal's reason when an injected wait is cut short, and for a bug. */
export async function answer(
  request: Request,
  { service, desk, signal }: { service: Service; desk: Desk; signal: AbortSignal },
): Promise<Answer> {
  const notes: Notes = { service: service.name, requestId: randomUUID(), operation: '' };
  const at = desk.now();
  const finish = (status: number, outcome: string, reply: { body?: object | undefined; headers?: object }): Answer => {
    const { fault, ...known } = notes;
    desk.calls.push({ ...known, outcome, status, at });
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      ...service.headers(notes, request),
      date: new Date(desk.now()).toUTCString(),
      ...reply.headers,
    };
    const body = reply.body === undefined ? '' : JSON.stringify(reply.body);
    return { status, headers, body, ...(fault === undefined ? {} : { fault }) };
  };
  const meetFaults = () => suffer({ service, notes, desk, signal });
  try {
    const reply = await service.handle(request, { notes, meetFaults });
    return finish(reply.status ?? 200, 'ok', reply);
  } catch (error) {
    if (error instanceof Replaced) return finish(200, `fault:${notes.fault?.kind}`, {});
    if (error instanceof ServiceError) return finish(error.status, error.code, withRetryAfter(error, notes));
    throw error;
  }
}

function withRetryAfter(error: ServiceError, { fault }: Notes): { body: object | undefined; headers: object } {
  const seconds = fault?.kind === 'throttle' ? fault.retryAfterSeconds : undefined;
  const headers = seconds === undefined ? error.headers : { ...error.headers, 'retry-after': String(seconds) };
  return { body: error.body, headers };
}

/** Lets the call meet its fault: waits, throws an error in the answer's place, or notes what happens to the answer. */
async function suffer({
  service,
  notes,
  desk,
  signal,
}: {
  service: Service;
  notes: Notes;
  desk: Desk;
  signal: AbortSignal;
}): Promise<void> {
  const fault = desk.faults.take({ service: notes.service, operation: notes.operation, key: notes.key });
  if (fault === undefined) return;
  notes.fault = fault;
  switch (fault.kind) {
    case 'latency':
      return pause(systemClock, fault.ms, signal);
    case 'error':
      throw service.fail(fault, notes);
    case 'throttle':
      throw service.throttled(notes);
    case 'half-open':
    case 'truncate':
    case 'trickle':
      return;
    case 'reset':
    case 'hang':
    case 'html':
      throw new Replaced();
  }
}

/** The body as one JSON object, or undefined. */
export function jsonObject(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
