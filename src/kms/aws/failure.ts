/**
 * Turns whatever the AWS SDK throws into a `KmsError`. Nothing of the SDK's error is kept but code, status and request
 * id: its message is the provider's text, and a parse error quotes the answer, which may hold a data key.
 */
import { KmsError, type KmsFault } from '../fault.ts';
import { type Fields, fields } from '../fields.ts';
import { requestIdOf } from '../provider-note.ts';
import { withRetryAfter } from '../retry-after.ts';
import { adviceFor } from './advice.ts';
import { type FailedAnswer, sortFault } from './faults.ts';

/** Which call failed. */
export interface FailedCall {
  /** The operation by AWS's own name. */
  readonly operation: string;
  /** The table that sorts its codes. */
  readonly table: Readonly<Record<string, KmsFault>>;
  /** Wall-clock time in milliseconds, against which a Retry-After with a date is read. */
  readonly now: number;
}

const codePattern = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;

/** The error for a call that the SDK ended with `thrown`; one that is a `KmsError` already stays what it is. */
export function kmsErrorFrom(thrown: unknown, call: FailedCall): KmsError {
  if (thrown instanceof KmsError) return thrown;
  const sdkError = fields(thrown);
  const metadata = fields(sdkError['$metadata']);
  const answer = answerOf(sdkError, metadata);
  const fault = withRetryAfter(sortFault(call.table, answer), retryAfterOf(sdkError), call.now);
  const requestId = requestIdOf(metadata['requestId']);
  const code = answer.code ?? transportCode(sdkError, answer.status);
  const advice = adviceFor({ operation: call.operation, code, fault });
  return new KmsError(fault, {
    provider: 'aws_kms',
    operation: call.operation,
    providerCode: code,
    ...(requestId !== undefined && { requestId }),
    ...(advice !== undefined && { advice }),
  });
}

/** The error for a call whose answer came with success and yet is none: an empty body, fields that are missing. */
export function emptyAnswer(operation: string): KmsError {
  return noAnswer('IncompleteAnswer', operation);
}

/** The error for what is none of the service's answers; `code` says why. */
export function noAnswer(code: string, operation: string): KmsError {
  return new KmsError(
    { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
    { provider: 'aws_kms', operation, providerCode: code },
  );
}

/** The SDK marks what it parsed as the service's own error with `$fault`; `Unknown` is what it calls all the rest. */
function answerOf(sdkError: Fields, metadata: Fields): FailedAnswer {
  const code = '$fault' in sdkError ? text(sdkError['name'], codePattern) : undefined;
  const status = metadata['httpStatusCode'];
  return {
    ...(code !== undefined && code !== 'Unknown' && { code }),
    ...(typeof status === 'number' && { status }),
  };
}

function transportCode(sdkError: Fields, status: number | undefined): string {
  const code = text(sdkError['code'], codePattern);
  if (code !== undefined) return code;
  return status === undefined ? (text(sdkError['name'], codePattern) ?? 'NoAnswer') : `HTTP ${status}`;
}

function retryAfterOf(sdkError: Fields): string | undefined {
  const header = fields(fields(sdkError['$response'])['headers'])['retry-after'];
  return typeof header === 'string' ? header : undefined;
}

function text(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}
