/**
 * Every way in which keyproxy answers no, as one table. Statuses, HTTP answers, documents and tests derive from it.
 * A public message never carries key material, ciphertext, credentials, input bytes or a provider's own text; the
 * cause stays inside the process.
 */

/** Canonical gRPC codes by name (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const grpcCodes = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = keyof typeof grpcCodes;

/** Who has to act: the application, the customer, the key service, or keyproxy and its operator. */
export type Fault = 'caller' | 'customer' | 'provider' | 'keyproxy';

interface Row {
  readonly grpc: GrpcCode;
  /** The status for the same failure over HTTP. */
  readonly http: number;
  readonly fault: Fault;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retry: boolean;
  /** The public sentence; a detail may follow it. */
  readonly message: string;
}

function row(grpc: GrpcCode, http: number, fault: Fault, message: string, retry = false): Row {
  return { grpc, http, fault, retry, message };
}

/** Reason → what it means. A reason is a contract: it is never renamed. */
export const errorTable = {
  TENANT_ID_INVALID: row(
    'INVALID_ARGUMENT',
    400,
    'caller',
    'the request names no valid tenant; tenant_id is 1 to 128 characters of [A-Za-z0-9._-]',
  ),
  TENANT_UNKNOWN: row('NOT_FOUND', 404, 'caller', 'no tenant of this name is configured here'),
  SERVICE_UNKNOWN: row('NOT_FOUND', 404, 'caller', 'no service of this name is offered here'),
  METHOD_UNKNOWN: row('UNIMPLEMENTED', 501, 'caller', 'no method of this name is offered here'),
  ENCODING_UNKNOWN: row(
    'UNIMPLEMENTED',
    501,
    'caller',
    'the messages are compressed in a way that is not known here; use gzip or identity',
  ),
  REQUEST_MALFORMED: row('INVALID_ARGUMENT', 400, 'caller', 'the request is not a valid message of its type'),
  REQUEST_UNMARKED: row(
    'PERMISSION_DENIED',
    403,
    'caller',
    'a call over TCP must carry the metadata "keyproxy-request: true"',
  ),
  CALLER_UNAUTHENTICATED: row(
    'UNAUTHENTICATED',
    401,
    'caller',
    'the call does not say who makes it in a way that is accepted here',
  ),
  CALLER_UNVERIFIABLE: row(
    'UNAVAILABLE',
    503,
    'keyproxy',
    "the caller's token cannot be checked for now, because the keys of its issuer cannot be had",
    true,
  ),
  ACCESS_DENIED: row(
    'PERMISSION_DENIED',
    403,
    'caller',
    'the policy does not allow this caller the operation for this tenant',
  ),
  CALLER_OVER_LIMIT: row('RESOURCE_EXHAUSTED', 429, 'caller', 'the caller makes too many calls', true),
  AUDIT_UNAVAILABLE: row(
    'UNAVAILABLE',
    503,
    'keyproxy',
    'the audit log cannot be written, and without it nothing is done',
    true,
  ),
  MESSAGE_TOO_LARGE: row('RESOURCE_EXHAUSTED', 413, 'caller', 'the message is over the limit'),
  CONTEXT_RESERVED: row(
    'INVALID_ARGUMENT',
    400,
    'caller',
    'the encryption context uses a reserved name; tenant_id, aws-crypto-* and keyproxy-* are set by keyproxy alone',
  ),
  CONTEXT_INVALID: row('INVALID_ARGUMENT', 400, 'caller', 'the encryption context cannot be used'),
  DEK_LENGTH_INVALID: row('INVALID_ARGUMENT', 400, 'caller', 'number_of_bytes must be 0 (for 32), 16, 24, 32 or 64'),
  DEK_SOURCE_INVALID: row(
    'INVALID_ARGUMENT',
    400,
    'caller',
    'source must be DEK_SOURCE_UNSPECIFIED, DEK_SOURCE_DERIVED or DEK_SOURCE_KMS',
  ),
  REWRAP_INPUT_MISSING: row('INVALID_ARGUMENT', 400, 'caller', 'rewrap needs either wrapped_dek or ciphertext'),
  DECRYPT_FAILED: row('INVALID_ARGUMENT', 400, 'caller', 'decryption failed'),
  CROSS_TENANT_DENIED: row(
    'PERMISSION_DENIED',
    403,
    'caller',
    'moving data to another tenant is not allowed; it needs the right to export from the one and import into the other',
  ),
  KEY_DISABLED: row('FAILED_PRECONDITION', 409, 'customer', "the tenant's key is disabled"),
  KEY_PENDING_DELETION: row('FAILED_PRECONDITION', 409, 'customer', "the tenant's key is scheduled for deletion"),
  KEY_STATE_INVALID: row(
    'FAILED_PRECONDITION',
    409,
    'customer',
    "the tenant's key is in a state that does not allow its use",
  ),
  KEY_ACCESS_DENIED: row('PERMISSION_DENIED', 403, 'customer', "the tenant's key service denied the use of its key"),
  ROLE_DENIED: row(
    'PERMISSION_DENIED',
    403,
    'customer',
    "keyproxy was refused the role, or the login, that stands in front of the tenant's key",
  ),
  KEY_NOT_FOUND: row('NOT_FOUND', 404, 'customer', "the tenant's key does not exist in the place it is configured for"),
  KEY_UNSUITABLE: row(
    'FAILED_PRECONDITION',
    409,
    'customer',
    "the tenant's key cannot wrap data keys; use a symmetric or RSA key for encryption and decryption",
  ),
  KEY_OUTSIDE_SEGREGATION: row(
    'FAILED_PRECONDITION',
    409,
    'customer',
    "the tenant's key may not be used in its environment",
  ),
  KEY_SERVICE_MISCONFIGURED: row(
    'FAILED_PRECONDITION',
    409,
    'keyproxy',
    "the tenant's key service cannot be used as configured",
  ),
  KEY_SERVICE_CREDENTIALS: row(
    'UNAUTHENTICATED',
    502,
    'keyproxy',
    "keyproxy's own credentials for the tenant's key service are missing or not accepted",
    true,
  ),
  KEY_SERVICE_UNAVAILABLE: row(
    'UNAVAILABLE',
    503,
    'provider',
    "the tenant's key service gave no answer, and the key is not in the cache",
    true,
  ),
  KEY_SERVICE_THROTTLED: row(
    'RESOURCE_EXHAUSTED',
    429,
    'provider',
    "the tenant's key service is refusing requests for now because there are too many",
    true,
  ),
  KEY_CALLS_OVER_BUDGET: row(
    'RESOURCE_EXHAUSTED',
    429,
    'keyproxy',
    "the key is not in the cache, and the tenant's limit of calls to its key service is used up for now",
    true,
  ),
  KEY_UNPROVEN: row(
    'UNAVAILABLE',
    503,
    'provider',
    "the tenant's key service has not confirmed for too long that its key may be used",
    true,
  ),
  SHUTTING_DOWN: row('UNAVAILABLE', 503, 'keyproxy', 'keyproxy is shutting down', true),
  DEADLINE_EXCEEDED: row(
    'DEADLINE_EXCEEDED',
    504,
    'caller',
    "the call's deadline passed before there was an answer",
    true,
  ),
  CANCELLED: row('CANCELLED', 499, 'caller', 'the call was cancelled by its caller'),
  INTERNAL: row('INTERNAL', 500, 'keyproxy', 'keyproxy failed; its log has the details'),
} as const satisfies Readonly<Record<string, Row>>;

export type Reason = keyof typeof errorTable;

/** What goes with a reason. */
export interface ErrorExtras {
  /** A clause after the table's sentence: state and remedy, no input bytes. */
  readonly detail?: string;
  /** Pairs for machines, sent as the metadata of `google.rpc.ErrorInfo`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When a retry makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number;
  /** What happened inside; goes to the log, never to the caller. */
  readonly cause?: unknown;
}

/** A failure with a reason of the table. */
export class KeyproxyError extends Error {
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, extras: ErrorExtras = {}) {
    const sentence = errorTable[reason].message;
    super(extras.detail === undefined ? sentence : `${sentence}: ${extras.detail}`, { cause: extras.cause });
    this.name = 'KeyproxyError';
    this.reason = reason;
    this.metadata = extras.metadata ?? {};
    this.retryAfterMs = extras.retryAfterMs;
  }

  /** Turns anything thrown into an error of the table; what is unknown becomes `INTERNAL` with a cause. */
  static from(thrown: unknown): KeyproxyError {
    return thrown instanceof KeyproxyError ? thrown : new KeyproxyError('INTERNAL', { cause: thrown });
  }
}
