/**
 * What the two services say when they say no: every code with its HTTP status, and the body that carries it.
 *
 * KMS speaks JSON 1.1 and answers 400 for every fault of the caller, whatever its model's `httpError` trait says (the
 * trait is for the REST protocols); STS speaks the Query protocol, answers 403 where identity or permission is missing,
 * and wraps the code in XML. Source: "Errors" of each operation in the KMS and STS API references, and their pages
 * "Common Error Types".
 */

export type ServiceName = 'kms' | 'sts';

const kmsStatus = {
  AccessDeniedException: 400,
  DependencyTimeoutException: 503,
  DisabledException: 400,
  DryRunOperationException: 400,
  ExpiredTokenException: 400,
  IncompleteSignatureException: 400,
  IncorrectKeyException: 400,
  InvalidCiphertextException: 400,
  InvalidGrantTokenException: 400,
  InvalidKeyUsageException: 400,
  InvalidMarkerException: 400,
  InvalidSignatureException: 400,
  KeyUnavailableException: 500,
  KMSInternalException: 500,
  KMSInvalidStateException: 400,
  MissingAuthenticationTokenException: 400,
  NotFoundException: 400,
  SerializationException: 400,
  ThrottlingException: 400,
  UnknownOperationException: 400,
  UnrecognizedClientException: 400,
  UnsupportedOperationException: 400,
  ValidationException: 400,
} as const;

const stsStatus = {
  AccessDenied: 403,
  ExpiredToken: 403,
  IncompleteSignature: 400,
  ExpiredTokenException: 400,
  InternalFailure: 500,
  InvalidAction: 400,
  InvalidClientTokenId: 403,
  InvalidIdentityToken: 400,
  MalformedPolicyDocument: 400,
  MissingAction: 400,
  MissingAuthenticationToken: 403,
  PackedPolicyTooLarge: 400,
  SignatureDoesNotMatch: 403,
  Throttling: 400,
  ValidationError: 400,
} as const;

/** A KMS error code as it stands in `__type`. */
export type KmsCode = keyof typeof kmsStatus;
/** An STS error code as it stands in `<Code>`. */
export type StsCode = keyof typeof stsStatus;

/** Why a request carries no identity that the service accepts. */
export type IdentityProblem = 'missing' | 'incomplete' | 'unknown' | 'expired' | 'signature';

const identityCodes: Record<IdentityProblem, { readonly kms: KmsCode; readonly sts: StsCode }> = {
  missing: { kms: 'MissingAuthenticationTokenException', sts: 'MissingAuthenticationToken' },
  incomplete: { kms: 'IncompleteSignatureException', sts: 'IncompleteSignature' },
  unknown: { kms: 'UnrecognizedClientException', sts: 'InvalidClientTokenId' },
  expired: { kms: 'ExpiredTokenException', sts: 'ExpiredToken' },
  signature: { kms: 'InvalidSignatureException', sts: 'SignatureDoesNotMatch' },
};

/** An answer that is an error. `message` goes to the caller as it stands; it never holds a secret. */
export class ServiceError extends Error {
  readonly code: string;
  /** HTTP status. */
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.name = 'ServiceError';
    this.code = code;
    this.status = status;
  }
}

/** An error of KMS; an empty message is left out of the body, as KMS does for ciphertexts that do not open. */
export function kmsError(code: KmsCode, message = ''): ServiceError {
  return new ServiceError(code, kmsStatus[code], message);
}

/** An error of STS. */
export function stsError(code: StsCode, message: string): ServiceError {
  return new ServiceError(code, stsStatus[code], message);
}

/** The code that `service` has for a problem with the caller's identity. */
export function identityError(service: ServiceName, problem: IdentityProblem, message: string): ServiceError {
  const codes = identityCodes[problem];
  return service === 'kms' ? kmsError(codes.kms, message) : stsError(codes.sts, message);
}

/** The content type of everything that `service` answers. */
export const contentTypes: Record<ServiceName, string> = {
  kms: 'application/x-amz-json-1.1',
  sts: 'text/xml',
};

/** The body of an error answer in the protocol of `service`. */
export function errorBody(service: ServiceName, error: ServiceError, requestId: string): string {
  if (service === 'kms') {
    return JSON.stringify({ __type: error.code, ...(error.message === '' ? {} : { message: error.message }) });
  }
  const fault = error.status >= 500 ? 'Receiver' : 'Sender';
  return (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n' +
    `  <Error>\n    <Type>${fault}</Type>\n    <Code>${escapeXml(error.code)}</Code>\n` +
    `    <Message>${escapeXml(error.message)}</Message>\n  </Error>\n` +
    `  <RequestId>${requestId}</RequestId>\n</ErrorResponse>\n`
  );
}

/** Text as XML character data. */
export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
