/**
 * Errors as Google's APIs have them: a canonical code, a message and typed details.
 *
 * Source: "API design guide", Errors (https://cloud.google.com/apis/design/errors); google/rpc/error_details.proto;
 * gRPC over HTTP/2, "Status" (`grpc-status`, `grpc-message`, `grpc-status-details-bin`).
 */
import { encodeDetail, encodeStatus } from './definitions.ts';

/** Canonical code → its number in gRPC and the HTTP status that Google's REST services give it. */
export const codes = {
  OK: { number: 0, http: 200 },
  CANCELLED: { number: 1, http: 499 },
  UNKNOWN: { number: 2, http: 500 },
  INVALID_ARGUMENT: { number: 3, http: 400 },
  DEADLINE_EXCEEDED: { number: 4, http: 504 },
  NOT_FOUND: { number: 5, http: 404 },
  ALREADY_EXISTS: { number: 6, http: 409 },
  PERMISSION_DENIED: { number: 7, http: 403 },
  RESOURCE_EXHAUSTED: { number: 8, http: 429 },
  FAILED_PRECONDITION: { number: 9, http: 400 },
  ABORTED: { number: 10, http: 409 },
  OUT_OF_RANGE: { number: 11, http: 400 },
  UNIMPLEMENTED: { number: 12, http: 501 },
  INTERNAL: { number: 13, http: 500 },
  UNAVAILABLE: { number: 14, http: 503 },
  DATA_LOSS: { number: 15, http: 500 },
  UNAUTHENTICATED: { number: 16, http: 401 },
} as const;

/** A canonical code's name. */
export type Code = keyof typeof codes;

/** One detail of an error, by the name of its message in `google.rpc`. */
export type ErrorDetail =
  | {
      readonly type: 'ErrorInfo';
      readonly reason: string;
      readonly domain: string;
      readonly metadata?: Readonly<Record<string, string>>;
    }
  | { readonly type: 'PreconditionFailure'; readonly violations: readonly Violation[] }
  | { readonly type: 'RetryInfo'; readonly retryDelayMs: number }
  | { readonly type: 'QuotaFailure'; readonly violations: readonly Omit<Violation, 'type'>[] }
  | { readonly type: 'DebugInfo'; readonly detail: string }
  | { readonly type: 'Help'; readonly links: readonly { readonly description: string; readonly url: string }[] };

/** One condition that was not met. */
export interface Violation {
  readonly type: string;
  readonly subject: string;
  readonly description: string;
}

/** An answer that is an error. */
export class ServiceError extends Error {
  readonly code: Code;
  readonly details: readonly ErrorDetail[];

  constructor(code: Code, message: string, details: readonly ErrorDetail[] = []) {
    super(message);
    this.name = 'ServiceError';
    this.code = code;
    this.details = details;
  }
}

/** Tells whether a string is a canonical code's name. */
export function isCode(name: string): name is Code {
  return Object.hasOwn(codes, name);
}

/** The error as the headers of a gRPC answer without a message. */
export function statusHeaders(error: ServiceError): Record<string, string> {
  const { number } = codes[error.code];
  const headers = { 'grpc-status': String(number), 'grpc-message': percentEncoded(error.message) };
  if (error.details.length === 0) return headers;
  const details = error.details.map((detail) => ({
    type: detail.type,
    value: encodeDetail(detail.type, fields(detail)),
  }));
  const status = encodeStatus({ code: number, message: error.message, details });
  return { ...headers, 'grpc-status-details-bin': status.toString('base64').replace(/=+$/, '') };
}

/** The error as the JSON body of a REST answer. */
export function statusJson(error: ServiceError): string {
  const details = error.details.map((detail) => ({
    '@type': `type.googleapis.com/google.rpc.${detail.type}`,
    ...fields(detail),
  }));
  const { http: code } = codes[error.code];
  const body = { code, message: error.message, status: error.code };
  return JSON.stringify({ error: details.length === 0 ? body : { ...body, details } });
}

/** A detail's fields in the names of its message. */
function fields(detail: ErrorDetail): object {
  if (detail.type === 'RetryInfo') {
    const { retryDelayMs } = detail;
    return { retryDelay: { seconds: Math.floor(retryDelayMs / 1000), nanos: (retryDelayMs % 1000) * 1_000_000 } };
  }
  const { type: _type, ...rest } = detail;
  return rest;
}

/** gRPC wants everything but printable ASCII, and the percent sign itself, as UTF-8 in percent form. */
function percentEncoded(message: string): string {
  return [...Buffer.from(message, 'utf8')]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}
