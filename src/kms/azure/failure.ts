/**
 * Turns what went over the wire during a failed call into a `KmsError`. Of an answer nothing is kept but code, status
 * and request id, and of what the libraries throw nothing at all: their texts are the provider's, and quote answers,
 * which may hold a data key.
 */
import { KmsError, type KmsErrorDetails } from '../fault.ts';
import { fields } from '../fields.ts';
import { withRetryAfter } from '../retry-after.ts';
import { adviceForUnreached, isUntrustedCertificate } from '../transport-codes.ts';
import type { Answer, Outcome } from './exchange.ts';
import { type FailedAnswer, type FaultRow, type FaultTable, sortFault } from './faults.ts';
import { entraFaults, oauthFaults } from './login-faults.ts';

/** Which call failed. */
export interface FailedCall {
  /** The operation by Azure's own name. */
  readonly operation: string;
  /** Wall-clock time in milliseconds, against which a Retry-After with a date is read. */
  readonly now: number;
}

const provider = 'azure_kv';
const unavailable: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } };
const throttled: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } };
const foreignCode = 'ForeignChallenge';
const foreign: FaultRow = {
  fault: { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' },
  advice: 'check vault_url: what answers there asks for a token that is not for this vault',
};

const untrusted =
  'check the certificate that the service shows: its name, its time and the authority that signed it; a proxy that' +
  ' opens TLS needs its authority in NODE_EXTRA_CA_CERTS';

/** For an answer without a code of the service's. */
const foreignPage =
  'what answered is not the service: check proxies on the way, and that the configured address is the right one';

/** The error for a call to a vault that the library ended with `thrown`; a `KmsError` stays what it is. */
export function vaultError(
  thrown: unknown,
  outcome: Outcome,
  call: FailedCall & { readonly table: FaultTable },
): KmsError {
  if (thrown instanceof KmsError) return thrown;
  if (outcome.kind !== 'answer') return transportError(outcome, call);
  const { error } = fields(outcome.error);
  const answer: FailedAnswer = {
    status: outcome.status,
    ...code('code', fields(error)['code']),
    ...code('innerCode', fields(fields(error)['innererror'])['code']),
  };
  // The library does not go on where what is asked for has nothing to do with the host that asks.
  if (answer.status === 401 && !outcome.authorized && outcome.challenges) {
    return answered(foreign, outcome, { ...call, code: foreignCode });
  }
  // A managed HSM says nothing more than that it wants another token.
  const bare = answer.status === 401 && outcome.challenges ? { code: 'Unauthorized', ...answer } : answer;
  const row = answer.status < 400 ? unavailable : sortFault(call.table, bare);
  return answered(row, outcome, { ...call, ...named(bare.innerCode ?? bare.code) });
}

/** The error for a login that the library ended with `thrown`; a `KmsError` stays what it is. */
export function loginError(thrown: unknown, outcome: Outcome, call: FailedCall): KmsError {
  if (thrown instanceof KmsError) return thrown;
  if (outcome.kind !== 'answer') return transportError(outcome, call);
  const { error_codes: numbers, error, trace_id: traceId } = fields(outcome.error);
  const number = Array.isArray(numbers) ? numbers.find((one) => typeof one === 'number') : undefined;
  const name = typeof error === 'string' && codePattern.test(error) ? error : undefined;
  const row = sortLogin(outcome.status, number === undefined ? undefined : String(number), name);
  const requestId = typeof traceId === 'string' && uuidPattern.test(traceId) ? { requestId: traceId } : {};
  return answered(row, { ...outcome, ...requestId }, { ...call, ...named(number ? `AADSTS${number}` : name) });
}

/** The error for a vault that asks for a token which is none of its business. */
export function foreignChallenge(): KmsError {
  const details = { provider, operation: 'GetToken', providerCode: foreignCode };
  return new KmsError(foreign.fault, foreign.advice === undefined ? details : { ...details, advice: foreign.advice });
}

/** The error for a call whose answer came with success and yet is none: fields that are missing. */
export function incompleteAnswer(operation: string): KmsError {
  return new KmsError(unavailable.fault, { provider, operation, providerCode: 'IncompleteAnswer' });
}

/**
 * Known numbers decide, then the status of a directory in trouble, then known names. What is left is a no without a
 * reason that is known here: it may be the customer's.
 */
function sortLogin(status: number, number: string | undefined, name: string | undefined): FaultRow {
  if (number !== undefined && Object.hasOwn(entraFaults, number)) return entraFaults[number] ?? unavailable;
  if (status === 429) return throttled;
  if (name === undefined || status < 400 || status >= 500) return unavailable;
  if (number === undefined && Object.hasOwn(oauthFaults, name)) return oauthFaults[name] ?? unavailable;
  return { fault: { kind: 'ambiguous', reason: 'ROLE_DENIED' } };
}

function transportError(outcome: Exclude<Outcome, Answer>, { operation }: FailedCall): KmsError {
  const providerCode = outcome.kind === 'silence' ? (outcome.code ?? 'NoAnswer') : 'NotSent';
  const advice = isUntrustedCertificate(providerCode) ? untrusted : adviceForUnreached(providerCode);
  const details: KmsErrorDetails = { provider, operation, providerCode };
  return new KmsError(unavailable.fault, advice === undefined ? details : { ...details, advice });
}

function answered(row: FaultRow, answer: Answer, call: FailedCall & { readonly code?: string }): KmsError {
  const { fault, advice = call.code === undefined ? foreignPage : undefined } = row;
  return new KmsError(withRetryAfter(fault, answer.retryAfter, call.now), {
    provider,
    operation: call.operation,
    providerCode: call.code ?? `HTTP ${answer.status}`,
    ...(answer.requestId !== undefined && { requestId: answer.requestId }),
    ...(advice !== undefined && { advice }),
  });
}

const codePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function code<K extends string>(key: K, value: unknown): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {};
  if (typeof value === 'string' && codePattern.test(value)) found[key] = value;
  return found;
}

function named(value: string | undefined): { code?: string } {
  return value === undefined ? {} : { code: value };
}
