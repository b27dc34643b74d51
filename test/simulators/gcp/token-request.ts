/** What the token services get and give, and their errors in the forms that each has. */
import type { IncomingHttpHeaders } from 'node:http';
import type { SimulatedCloud } from './cloud.ts';
import { codes, isCode, ServiceError, statusJson } from './status.ts';

/** One HTTP request, whole. */
export interface TokenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** `http://127.0.0.1:PORT`, as the client reached the service. */
  readonly origin: string;
  readonly cloud: SimulatedCloud;
  /** Notes who asks, for the record of calls. */
  readonly identify: (principal: string) => void;
}

/** An answer of a token service. */
export interface TokenAnswer {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
}

/** An error in OAuth's form (RFC 6749, 5.2). */
export class OAuthError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.name = 'OAuthError';
    this.error = error;
    this.status = status;
  }
}

/** An answer with a JSON body. */
export function json(value: unknown, status = 200): TokenAnswer {
  return { status, body: JSON.stringify(value), contentType: 'application/json; charset=UTF-8' };
}

/** The answer for an error; undefined for one that is not a service's. */
export function errorAnswer(error: unknown): { readonly answer: TokenAnswer; readonly code: string } | undefined {
  if (error instanceof OAuthError) {
    const body = { error: error.error, error_description: error.message };
    return { answer: json(body, error.status), code: error.error };
  }
  if (error instanceof ServiceError) {
    const contentType = 'application/json; charset=UTF-8';
    return { answer: { status: codes[error.code].http, body: statusJson(error), contentType }, code: error.code };
  }
  return undefined;
}

/** The error that an injected fault asks for, in the form of its service. */
export function injectedError(
  service: string,
  fault: { readonly code: string; readonly status: number; readonly message?: string },
): Error {
  if (service === 'iam' && isCode(fault.code)) return new ServiceError(fault.code, fault.message ?? '');
  return new OAuthError(fault.code, fault.message ?? '', fault.status);
}
