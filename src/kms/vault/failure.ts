/** Turns what went wrong between keyproxy and Vault into a `KmsError`; of Vault's own words none is kept. */
import { DeadlinePassed } from '../deadline.ts';
import { KmsError, type KmsFault } from '../fault.ts';
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

/** The codes that OpenSSL and Node have for a certificate that is not trusted. */
const untrusted =
  /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(?:GET|VERIFY)_|ERR_TLS_CERT_|INVALID_CA|HOSTNAME_MISMATCH)/;

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
  const retryAfterMs = answer.retryAfter === undefined ? undefined : retryAfter(answer.retryAfter, now);
  const fault =
    meaning.fault.kind === 'outage' && retryAfterMs !== undefined ? { ...meaning.fault, retryAfterMs } : meaning.fault;
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
  if (!untrusted.test(code)) return errorOf(meaning, operation);
  const advice = 'make ca_file name the authority that signed the certificate of the server, and address its name';
  return errorOf({ ...meaning, advice }, operation);
}

function endOf(signal: AbortSignal): string {
  return signal.reason instanceof DeadlinePassed ? 'Timeout' : 'GivenUp';
}

/** Reads a Retry-After in either of its forms (RFC 9110, section 10.2.3): whole seconds, or a date. */
function retryAfter(header: string, now: number): number | undefined {
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const date = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
