/**
 * What Entra says when it says no: each AADSTS code with its OAuth error and HTTP status, and the body that carries it.
 *
 * Sources: "Microsoft Entra authentication and authorization error codes" (reference-error-codes) for codes and texts;
 * "OAuth 2.0 client credentials flow" for the body. RFC 6749 section 5.2 has 401 for `invalid_client` and 400 for the
 * rest, which is what the service does.
 */
import { randomUUID } from 'node:crypto';
import { ServiceError } from './answering.ts';

interface KnownError {
  readonly error: string;
  readonly status: number;
  readonly suberror?: string;
}

const invalidRequest: KnownError = { error: 'invalid_request', status: 400 };
const invalidClient: KnownError = { error: 'invalid_client', status: 401 };
const unauthorizedClient: KnownError = { error: 'unauthorized_client', status: 400 };

const known = {
  /** The tokens of others match no federated credential as a whole, though each part matches one. */
  70021: invalidRequest,
  70003: { error: 'unsupported_grant_type', status: 400 },
  /** The application has no federated credential at all. */
  70025: invalidClient,
  /** A token is malformed. */
  50027: invalidRequest,
  /** Not an authority that the directory knows. */
  50049: { error: 'invalid_instance', status: 400 },
  /** Conditional Access. */
  53003: { error: 'interaction_required', status: 400, suberror: 'message_only' },
  90002: invalidRequest,
  /** Neither an id nor a domain. */
  900023: invalidRequest,
  /** A parameter is missing. */
  900144: invalidRequest,
  /** Too many requests. */
  90055: { error: 'temporarily_unavailable', status: 429 },
  500011: { error: 'invalid_resource', status: 400 },
  700016: unauthorizedClient,
  /** The assertion's time is over, or has not come. */
  700024: invalidClient,
  /** The assertion's signature. */
  700027: invalidClient,
  /** The issuer, the audience, the subject match none. */
  700211: invalidClient,
  700212: invalidClient,
  700213: invalidClient,
  7000112: unauthorizedClient,
  7000215: invalidClient,
  7000216: invalidClient,
  7000222: invalidClient,
  1002012: { error: 'invalid_scope', status: 400 },
} as const satisfies Record<number, KnownError>;

/** An AADSTS code that the simulator uses by itself. */
export type AadstsCode = keyof typeof known;

/** The ids that an error answer carries. */
export interface ErrorContext {
  /** The request's id, which Entra calls the trace id. */
  readonly requestId: string;
  /** `client-request-id` as the client sent it; a new one where it sent none. */
  readonly correlationId?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The error with this code; `text` never holds a secret or an assertion. */
export function aadsts(code: AadstsCode, text: string, context: ErrorContext): ServiceError {
  return entraError({ code, ...known[code], text }, context);
}

/** An error as a fault asks for it: `AADSTS7000215`, or with an OAuth error in front of it, `invalid_grant/AADSTS50173`. */
export function injectedEntraError(
  fault: { readonly code: string; readonly status: number; readonly message?: string },
  context: ErrorContext,
): ServiceError {
  const [, error, digits = '0'] = /^(?:([a-z_]+)\/)?(?:AADSTS)?(\d*)$/.exec(fault.code) ?? [];
  const code = Number(digits);
  const usual: KnownError = Object.entries(known).find(([number]) => Number(number) === code)?.[1] ?? invalidRequest;
  const { status, message = 'the fault that a test asked for' } = fault;
  return entraError({ code, ...usual, ...(error !== undefined && { error }), status, text: message }, context);
}

function entraError(
  details: KnownError & { readonly code: number; readonly text: string },
  { requestId, correlationId = randomUUID(), now }: ErrorContext,
): ServiceError {
  const { code, error, status, suberror, text } = details;
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const trailer = `Trace ID: ${requestId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`;
  return new ServiceError({
    code: `AADSTS${code}`,
    status,
    body: {
      error,
      error_description: `AADSTS${code}: ${text} ${trailer}`,
      error_codes: [code],
      timestamp,
      trace_id: requestId,
      correlation_id: correlationId,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
      ...(suberror !== undefined && { suberror }),
    },
  });
}
