/** Turns what went wrong between keyproxy and Vault into a `KmsError`; of Vault's own words none is kept. */
import { DeadlinePassed } from '../deadline.ts';
import { KmsError, type KmsFault } from '../fault.ts';
import { withRetryAfter } from '../retry-after.ts';
import { adviceForUnreached, isUntrustedCertificate } from '../transport-codes.ts';
import type { VaultAnswer } from './answer.ts';
import { NoAnswer } from './connection.ts';
import { type CallKind, type Meaning, meaningOf } from './faults.ts';

/** Which call failed. */
export interface FailedCall {
  /** In Vault's own name for it, `encrypt` say. */
  readonly operation: string;
  readonly kind: CallKind;
  /** Wall-clock time in milliseconds, against which a Retry-After with a date is read. */
  readonly now: number;
}

const unavailable: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

const untrusted = 'make ca_file name the authority that signed the certificate of the server, and address its name';

/** The error for something with a meaning that is known. */
export function errorOf(
  meaning: Meaning & { readonly cause?: NoAnswer },
  operation: string,
  requestId?: string,
): KmsError {
  const { fault, code, advice, cause } = meaning;
  return new KmsError(fault, {
    provider: 'vault',
    operation,
    providerCode: code,
    ...(requestId !== undefined && { requestId }),
    ...(advice !== undefined && { advice }),
    ...(cause !== undefined && { cause }),
  });
}

/** The error for an answer of Vault's that was not success. */
export function errorFromAnswer(answer: VaultAnswer, { operation, kind, now }: FailedCall): KmsError {
  const meaning = meaningOf(kind, answer.status, answer.sentences);
  const fault = withRetryAfter(meaning.fault, answer.retryAfter, now);
  return errorOf({ ...meaning, fault }, operation, answer.requestId);
}

/** The error for an answer that was nobody's we know: the page of a proxy, a body that was cut. */
export function foreignAnswer(operation: string, status: number): KmsError {
  const isThrottle = status === 429;
  const isRedirect = status >= 300 && status < 400;
  if (isRedirect) return errorOf(meaningOf('reads', status, []), operation);
  return errorOf(
    {
      code: `HTTP ${status}`,
      fault: isThrottle ? { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } : unavailable,
      advice: 'check that address names Vault itself: the answer was not in its form, as that of a proxy in between',
    },
    operation,
  );
}

/** The error for a success without what it should hold. */
export function incompleteAnswer(operation: string, requestId?: string): KmsError {
  return errorOf({ code: 'IncompleteAnswer', fault: unavailable }, operation, requestId);
}

/** The error for a request that got no answer, or that `signal` ended. */
export function silence(thrown: unknown, operation: string, signal: AbortSignal): KmsError {
  if (thrown instanceof KmsError) return thrown;
  const code = signal.aborted ? endOf(signal) : thrown instanceof NoAnswer ? thrown.code : 'ConnectionFailed';
  const meaning = { code, fault: unavailable, ...(thrown instanceof NoAnswer && { cause: thrown }) };
  const advice = isUntrustedCertificate(code) ? untrusted : adviceForUnreached(code);
  return errorOf({ ...meaning, ...(advice !== undefined && { advice }) }, operation);
}

function endOf(signal: AbortSignal): string {
  return signal.reason instanceof DeadlinePassed ? 'Timeout' : 'GivenUp';
}
