/**
 * What can go wrong with a key service, sorted by what it means. Refusal and outage are different types: a customer's
 * no is acted on at once, a network's silence never is.
 */
import type { Reason } from '../base/errors.ts';

/** One outcome of a call to a key service that is not success. */
export type KmsFault =
  /** The customer's key service answered no. `keyWide`: plainly for the whole key, whatever the request held. */
  | { readonly kind: 'refusal'; readonly reason: RefusalReason; readonly keyWide: boolean }
  /** No answer, or one that says nothing about permission. */
  | { readonly kind: 'outage'; readonly reason: OutageReason; readonly retryAfterMs?: number }
  /** May be either of the two: never evicts by itself, never proves anything. */
  | { readonly kind: 'ambiguous'; readonly reason: Reason }
  /** The wrapped bytes or the context of this one request do not open; says nothing about the key. */
  | { readonly kind: 'data' }
  /** Our own credentials are stale: renew them once, then try again. */
  | { readonly kind: 'credentials' }
  /** The configuration names something that cannot work; somebody has to change it. */
  | { readonly kind: 'config'; readonly reason: Reason };

/** How a customer's key service says no. */
export type RefusalReason =
  | 'KEY_DISABLED'
  | 'KEY_PENDING_DELETION'
  | 'KEY_STATE_INVALID'
  | 'KEY_ACCESS_DENIED'
  | 'KEY_NOT_FOUND'
  | 'ROLE_DENIED';

/**
 * Why there was no answer: the service was silent, or had too many calls; or keyproxy kept the call back, since its own
 * limit was reached, or since the service has been silent for too long.
 */
export type OutageReason =
  | 'KEY_SERVICE_UNAVAILABLE'
  | 'KEY_SERVICE_THROTTLED'
  | 'KEY_CALLS_OVER_BUDGET'
  | 'KEY_UNPROVEN';

/** What the log may know about a failed call. */
export interface KmsErrorDetails {
  readonly provider: string;
  /** The call that failed, in the provider's own name for it. */
  readonly operation: string;
  /** The provider's own code, `AccessDeniedException` say; never its message. */
  readonly providerCode?: string;
  /** The provider's request id: finds the entry in the customer's own audit log. */
  readonly requestId?: string;
  /**
   * The next step for whoever has to act, as a clause of keyproxy's own: it follows the reason's sentence in what
   * callers and operators read. Never the provider's text, never input bytes.
   */
  readonly advice?: string;
  readonly cause?: unknown;
}

/** A call to a key service that did not succeed. */
export class KmsError extends Error {
  readonly fault: KmsFault;
  readonly details: KmsErrorDetails;

  constructor(fault: KmsFault, details: KmsErrorDetails) {
    super(`${details.provider} ${details.operation} failed: ${details.providerCode ?? fault.kind}`, {
      cause: details.cause,
    });
    this.name = 'KmsError';
    this.fault = fault;
    this.details = details;
  }
}

/** The error for a wait that `reason` ended before there was an answer. */
export function gaveUp(call: { readonly provider: string; readonly operation: string }, reason: unknown): KmsError {
  return new KmsError({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' }, { ...call, cause: reason });
}

/**
 * Whether a failure is a key service's silence: the one reason to turn to another key in its place. A call that our own
 * limit kept back says nothing about the service.
 */
export function isSilence(error: unknown): error is KmsError {
  return error instanceof KmsError && error.fault.kind === 'outage' && error.fault.reason !== 'KEY_CALLS_OVER_BUDGET';
}

/** The public reason of a fault. A data fault has none of its own: it is one more decryption failure. */
export function publicReason(fault: KmsFault): Reason {
  switch (fault.kind) {
    case 'data':
      return 'DECRYPT_FAILED';
    case 'credentials':
      return 'KEY_SERVICE_CREDENTIALS';
    default:
      return fault.reason;
  }
}
