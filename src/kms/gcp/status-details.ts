/**
 * What the status of a failed call says, read from the error that google-gax makes of it. Its messages are the
 * provider's text and are left behind; what is kept has passed a strict pattern.
 */
import { fields } from '../fields.ts';
import { requestIdOf } from '../provider-note.ts';

/** One violation of a `google.rpc.PreconditionFailure`. */
export interface Violation {
  readonly type: string;
  /** The resource that it is about; not yet checked. */
  readonly subject: string;
}

/** A failed call's status, as far as it is known. */
export interface CallStatus {
  /** The gRPC code; absent where there is none. */
  readonly code?: number;
  /** Of a `google.rpc.ErrorInfo`. */
  readonly reason?: string;
  readonly violations: readonly Violation[];
  /** Of a `google.rpc.RetryInfo`, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Of a `google.rpc.RequestInfo`; Cloud KMS rarely sends one. */
  readonly requestId?: string;
}

const namePattern = /^[A-Z][A-Z0-9_]{0,63}$/;
/** No pause is longer than this, in milliseconds: a day. */
const longestPauseMs = 86_400_000;

/** Reads what google-gax threw. */
export function statusOf(thrown: unknown): CallStatus {
  const error = fields(thrown);
  const details = list(error['statusDetails']).map(fields);
  const reason = name(error['reason']);
  const requestId = details.map((detail) => requestIdOf(detail['requestId'])).find((id) => id !== undefined);
  const retryAfterMs = details.map((detail) => pauseOf(detail['retryDelay'])).find((pause) => pause !== undefined);
  return {
    violations: details.flatMap((detail) => list(detail['violations']).flatMap(violationOf)),
    ...(typeof error['code'] === 'number' && { code: error['code'] }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(requestId !== undefined && { requestId }),
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function name(value: unknown): string | undefined {
  return typeof value === 'string' && namePattern.test(value) ? value : undefined;
}

function violationOf(value: unknown): Violation[] {
  const { type, subject } = fields(value);
  const known = name(type);
  return known === undefined ? [] : [{ type: known, subject: typeof subject === 'string' ? subject : '' }];
}

/** A `google.protobuf.Duration`: its seconds are 64 bits wide, for which protobufjs has an object. */
function pauseOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const { seconds, nanos } = fields(value);
  const milliseconds = Number(seconds ?? 0) * 1_000 + Number(nanos ?? 0) / 1e6;
  return milliseconds >= 0 ? Math.min(Math.ceil(milliseconds), longestPauseMs) : undefined;
}
