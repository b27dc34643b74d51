/**
 * What Cloud KMS answers when the external key manager behind a key does not serve.
 *
 * Source: "Cloud EKM error reference" (https://cloud.google.com/kms/docs/reference/ekm_errors): the first violation tells
 * the key's state, the second one's `type` is the error domain. The spelling of the first one's type is the one that
 * Cloud KMS has for versions that are not enabled (`KEY_DISABLED`); for enabled ones the page gives none.
 */
import { type Code, ServiceError } from './status.ts';

/** One row of the reference. */
interface EkmError {
  readonly message: string;
  /** FAILED_PRECONDITION unless said otherwise. */
  readonly code?: Code;
  /** Whether Cloud EKM disables the version, too. */
  readonly disables?: true;
}

/** Error domain → what is answered. The element that is at fault is always the key. */
export const ekmErrors = {
  EXTERNAL_PERMISSION_DENIED: { message: 'Permission was denied when accessing the key.', disables: true },
  EXTERNAL_NOT_FOUND: { message: 'Could not find a key.' },
  EXTERNAL_KEY_URI_INVALID: { message: 'Key URI has invalid format.' },
  EXTERNAL_KEY_HOST_NOT_WHITELISTED: { message: 'Key URI host is not supported.' },
  DNS: { message: 'Could not resolve the domain name for the key.' },
  EXTERNAL_RESOURCE_EXHAUSTED: { message: 'Throttled when trying to access key URI.' },
  UNREACHABLE_NETWORK: { message: 'Could not reach the key due to an external networking error.' },
  OVERLOADED_EKM: {
    message: 'Could not reach the key because the external key manager reports that it is overloaded.',
  },
  TIMEOUT: { message: 'Timed out when trying to access the key.' },
  REQUEST_CANCELLED: { message: 'The request was cancelled when trying to access the key.' },
  TLS_CERT: { message: 'Could not validate the TLS server certificate for the key.' },
  UNEXPECTED_RESPONSE: { message: 'Got garbled or unusable response when trying to access the key.' },
  EXTERNAL_SERVER_ERROR: { message: 'External server error when trying to access the key.' },
  EXTERNAL_NOT_IMPLEMENTED: { message: 'The external key manager has not implemented the method.' },
  UNEXPECTED_ERROR: { message: 'Got unexpected error when trying to access the key.' },
  DECRYPTION_FAILED: {
    message: 'Decryption failed: The EKM reports that decryption failed.',
    code: 'INVALID_ARGUMENT',
  },
} as const satisfies Record<string, EkmError>;

/** An error domain of the reference. */
export type EkmErrorDomain = keyof typeof ekmErrors;

/** Whether Cloud EKM disables the version when this happens. */
export function disablesVersion(domain: EkmErrorDomain): boolean {
  return 'disables' in ekmErrors[domain];
}

/** The error for a version; `state` is the one that it has when the answer leaves. */
export function ekmError(
  domain: EkmErrorDomain,
  version: { readonly name: string; readonly state: string },
): ServiceError {
  const row: EkmError = ekmErrors[domain];
  const { name: subject, state } = version;
  const code = row.code ?? 'FAILED_PRECONDITION';
  if (code !== 'FAILED_PRECONDITION') return new ServiceError(code, row.message);
  return new ServiceError(code, row.message, [
    {
      type: 'PreconditionFailure',
      violations: [
        { type: `KEY_${state}`, subject, description: `The state of the key version is ${state}.` },
        { type: domain, subject, description: row.message },
      ],
    },
  ]);
}
