/** Requests to Google's token services: ended in time, never redirected, and nothing of an answer in any error. */
import type { Clock } from '../../base/clock.ts';
import { DeadlinePassed, startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import { type Fields, fields } from '../fields.ts';
import { adviceForUnreached, isUntrustedCertificate } from '../transport-codes.ts';
import { type Sorted, unavailable } from './faults.ts';
import { sortTokenRefusal, type TokenFaultTable, type TokenRefusal } from './token-faults.ts';

/** By which clock a request ends, and after how long. */
export interface TokenService {
  readonly clock: Clock;
  /** How long one request may take from its start to its whole answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** One request, and how its refusals are sorted. */
export interface TokenRequest {
  /** By Google's own name; for errors. */
  readonly operation: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form or JSON, sent by POST; absent: GET. */
  readonly body?: URLSearchParams | string;
  readonly faults: TokenFaultTable;
}

/** More than any token service answers with, in bytes. */
const longestAnswer = 64 * 1024;
const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const untrusted =
  "check the certificate of Google's token service as it is seen from here: a proxy that opens TLS needs its authority in " +
  'NODE_EXTRA_CA_CERTS';

/** Sends a request and returns the object that it is answered with. Throws a `KmsError` with a sorted fault. */
export async function askTokenService(service: TokenService, request: TokenRequest): Promise<Fields> {
  using deadline = startDeadline(service.clock, service.timeoutMs);
  const { status, text } = await exchange(request, deadline.signal);
  const json = parsed(text);
  if (status >= 200 && status < 300 && json !== undefined) return json;
  const refusal = refusalOf(status, json);
  throw tokenError(request.operation, sortTokenRefusal(request.faults, refusal), codeOf(refusal));
}

/** The error for a token that was not given. */
export function tokenError(operation: string, { fault, advice }: Sorted, providerCode: string): KmsError {
  return new KmsError(fault, {
    provider: 'gcp_kms',
    operation,
    providerCode,
    ...(advice !== undefined && { advice }),
  });
}

/** A JSON object out of text; undefined where it is none. What `JSON.parse` throws would quote it. */
export function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** A refusal out of what a token service answered with. */
export function refusalOf(status: number, json: Fields | undefined): TokenRefusal {
  const error = json?.['error'];
  const nested = fields(error);
  const code = nameOf(typeof error === 'string' ? error : nested['status']);
  const details = Array.isArray(nested['details']) ? nested['details'] : [];
  const reason = details.map((detail: Fields | null) => nameOf(detail?.['reason'])).find((name) => name !== undefined);
  return { status, ...(code !== undefined && { code }), ...(reason !== undefined && { reason }) };
}

async function exchange(
  { operation, url, headers, body }: TokenRequest,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      signal,
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body }),
    });
    return { status: response.status, text: await textOf(response) };
  } catch (error) {
    throw networkFailure(operation, error);
  }
}

/** The body, as much of it as may be one. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > longestAnswer) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error for a request for a token that got no answer. */
export function networkFailure(operation: string, error: unknown): KmsError {
  const code = networkCode(error);
  const advice = isUntrustedCertificate(code) ? untrusted : adviceForUnreached(code);
  return tokenError(operation, { ...unavailable, ...(advice !== undefined && { advice }) }, code);
}

/** `fetch` hides what happened behind its cause, as the clients of the library do. */
function networkCode(error: unknown): string {
  if (error instanceof DeadlinePassed) return 'Timeout';
  const cause = error instanceof Error ? error.cause : undefined;
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return nameOf(code) ?? 'NoAnswer';
}

function codeOf({ status, code, reason }: TokenRefusal): string {
  return code === undefined ? `HTTP ${status}` : [code, ...(reason === undefined ? [] : [reason])].join('/');
}

function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' && namePattern.test(value) ? value : undefined;
}
