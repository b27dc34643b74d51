/** From a key service's fault to the failure that a caller sees. The provider's own text stays inside. */
import { errorTable, KeyproxyError } from '../base/errors.ts';
import { KmsError, publicReason } from '../kms/fault.ts';

/** Suggested wait before a retry where the key service named none, in milliseconds. */
const defaultRetryMs = 1000;

/**
 * The public failure for anything that a call to a key service threw. Metadata names the provider, its code and its
 * request id, which finds the matching entry in the customer's own audit log. A fault of the data carries none of
 * it: all decryption failures look alike.
 */
export function kmsFailure(error: unknown): KeyproxyError {
  if (!(error instanceof KmsError)) return KeyproxyError.from(error);
  const { fault, details } = error;
  const reason = publicReason(fault);
  if (fault.kind === 'data') return new KeyproxyError(reason, { cause: error });
  const metadata: Record<string, string> = { provider: details.provider };
  if (details.providerCode !== undefined) metadata['provider_code'] = details.providerCode;
  if (details.requestId !== undefined) metadata['provider_request_id'] = details.requestId;
  const asked = fault.kind === 'outage' ? fault.retryAfterMs : undefined;
  const retryAfterMs = errorTable[reason].retry ? (asked ?? defaultRetryMs) : undefined;
  const { advice: detail } = details;
  return new KeyproxyError(reason, {
    metadata,
    cause: error,
    ...(detail !== undefined && { detail }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Whether a failure is a key service's no, as it was thrown or as callers see it. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof KeyproxyError ? error.cause : error;
  return cause instanceof KmsError && cause.fault.kind === 'refusal';
}

/** Throws the public failure. */
export function asPublicFailure(error: unknown): never {
  throw kmsFailure(error);
}
