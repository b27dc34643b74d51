/**
 * What AWS says when it does not do what it was asked, and what that means. Sources: "Errors" of each operation and
 * "Common Errors" in the AWS KMS API Reference and the AWS STS API Reference; "Key states of AWS KMS keys" and
 * "Troubleshooting external key stores" in the AWS KMS Developer Guide.
 */
import type { KmsFault } from '../fault.ts';

const unavailable: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const staleCredentials: KmsFault = { kind: 'credentials' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };

type FaultTable = Readonly<Record<string, KmsFault>>;

/** Codes that every AWS service may answer with. */
const commonFaults: FaultTable = {
  InternalFailure: unavailable,
  InternalError: unavailable,
  InternalServerError: unavailable,
  ServiceUnavailable: unavailable,
  ServiceUnavailableException: unavailable,
  RequestTimeout: unavailable,
  RequestTimeoutException: unavailable,

  Throttling: throttled,
  ThrottlingException: throttled,
  ThrottledException: throttled,
  RequestThrottled: throttled,
  RequestThrottledException: throttled,
  RequestLimitExceeded: throttled,
  TooManyRequestsException: throttled,
  LimitExceededException: throttled,

  ExpiredToken: staleCredentials,
  ExpiredTokenException: staleCredentials,
  UnrecognizedClientException: staleCredentials,
  InvalidClientTokenId: staleCredentials,
  InvalidAccessKeyId: staleCredentials,
  MissingAuthenticationToken: staleCredentials,
  MissingAuthenticationTokenException: staleCredentials,
  InvalidSignatureException: staleCredentials,
  IncompleteSignature: staleCredentials,
  IncompleteSignatureException: staleCredentials,
  SignatureDoesNotMatch: staleCredentials,
  RequestExpired: staleCredentials,

  OptInRequired: misconfigured,
  InvalidAction: misconfigured,
  UnknownOperationException: misconfigured,
  SerializationException: misconfigured,
};

/** Codes of AWS KMS. A refusal is key-wide only where no other request to the same key could have been answered yes. */
export const kmsFaults: FaultTable = {
  ...commonFaults,
  KMSInternalException: unavailable,
  DependencyTimeoutException: unavailable,
  KeyUnavailableException: unavailable,

  DisabledException: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
  // A policy may deny one context and allow another, so this says nothing about the key as a whole.
  AccessDeniedException: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
  AccessDenied: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
  NotAuthorized: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },

  // Pending deletion, and every fault of an external key store down to its 250 ms timeout: the key's state tells.
  KMSInvalidStateException: { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' },
  // A key deleted for good, or one looked for in the wrong region.
  NotFoundException: { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },

  InvalidCiphertextException: { kind: 'data' },
  IncorrectKeyException: { kind: 'data' },

  InvalidKeyUsageException: unsuitable,
  UnsupportedOperationException: unsuitable,
  ValidationException: misconfigured,
  ValidationError: misconfigured,
  InvalidArnException: misconfigured,
  InvalidGrantTokenException: misconfigured,
};

/**
 * Decrypt alone: what does not validate there is the ciphertext or the context that somebody handed in. The key is
 * fixed by its ARN and never changes its kind, so a usage that does not fit it was asked for by the entry.
 */
export const decryptFaults: FaultTable = {
  ...kmsFaults,
  ValidationException: { kind: 'data' },
  InvalidKeyUsageException: { kind: 'data' },
};

/** Codes of AssumeRole. Every refusal here is key-wide: without the role no request reaches the key. */
export const assumeRoleFaults: FaultTable = {
  ...commonFaults,
  AccessDenied: { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true },
  AccessDeniedException: { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true },
  IDPCommunicationError: unavailable,
  IDPCommunicationErrorException: unavailable,
  RegionDisabledException: misconfigured,
  PackedPolicyTooLarge: misconfigured,
  PackedPolicyTooLargeException: misconfigured,
  MalformedPolicyDocument: misconfigured,
  MalformedPolicyDocumentException: misconfigured,
  ValidationError: misconfigured,
};

/**
 * What the state of a key (DescribeKey, `KeyState`) makes of an ambiguous `KMSInvalidStateException`. A custom key
 * store in trouble shows `Unavailable` while it is disconnected and else `Enabled`, down to the 250 ms within which an
 * external key manager has to answer: nobody refused anything, so it is an outage that repeating may get over.
 */
export const keyStateFaults: FaultTable = {
  Disabled: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
  PendingDeletion: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
  PendingReplicaDeletion: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
  PendingImport: { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: true },
  Creating: unavailable,
  Updating: unavailable,
  Enabled: unavailable,
  Unavailable: unavailable,
};

/** What is known of an answer that was not success, by its code or, where it has none that counts, by its status. */
export interface FailedAnswer {
  /** The service's own code; absent where the answer was not one of the service's (a proxy's page, a cut body). */
  readonly code?: string;
  /** The HTTP status; absent where no answer came. */
  readonly status?: number;
}

/**
 * Sorts an answer by `table`. Without a code it says nothing about permission, whatever its status: an outage. An
 * unknown code is ambiguous, unless its status is one of the server's own failures.
 */
export function sortFault(table: FaultTable, answer: FailedAnswer): KmsFault {
  const { code, status } = answer;
  if (code !== undefined && Object.hasOwn(table, code)) return table[code] ?? unavailable;
  if (status === 429) return throttled;
  if (code === undefined || status === undefined || status >= 500) return unavailable;
  return { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
}
