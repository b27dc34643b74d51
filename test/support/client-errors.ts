/** What a failed call tells its caller: code, sentence and `google.rpc` details, as any client would read them. */

import type { ServiceError } from '@grpc/grpc-js';
import type { KeyProxyClient } from './client.ts';
import { definitionOf } from './client-definitions.ts';

export interface ErrorTold {
  /** Canonical gRPC code. */
  readonly code: number;
  readonly message: string;
  /** Of `google.rpc.ErrorInfo`; empty where there is none. */
  readonly domain: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of `google.rpc.RetryInfo`, in milliseconds; absent where there is none. */
  readonly retryAfterMs?: number;
  /** `grpc-status-details-bin`, in hex. */
  readonly details: string;
}

interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type_url: string; readonly value: Buffer }[];
}

interface ErrorInfo {
  readonly domain: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface RetryInfo {
  readonly retry_delay: { readonly seconds: number; readonly nanos: number };
}

/** Reads the end of a call. Throws where `google.rpc.Status` contradicts the trailers. */
export function errorTold(code: number, message: string, details: Buffer = Buffer.alloc(0)): ErrorTold {
  const status = decoded<Status>('Status', details);
  if (details.length > 0 && (status.code !== code || status.message !== message)) {
    throw new Error('grpc-status-details-bin says something else than grpc-status and grpc-message');
  }
  const find = (type: string) =>
    status.details.find((any) => any.type_url === `type.googleapis.com/google.rpc.${type}`);
  const { domain, reason, metadata } = decoded<ErrorInfo>('ErrorInfo', find('ErrorInfo')?.value ?? Buffer.alloc(0));
  const retry = find('RetryInfo');
  const told = { code, message, domain, reason, metadata: { ...metadata }, details: details.toString('hex') };
  if (retry === undefined) return told;
  const { seconds, nanos } = decoded<RetryInfo>('RetryInfo', retry.value).retry_delay;
  return { ...told, retryAfterMs: seconds * 1000 + nanos / 1e6 };
}

/** The same for what grpc-js threw. */
export function toldBy(error: ServiceError): ErrorTold {
  const [details] = error.metadata.get('grpc-status-details-bin');
  return errorTold(error.code, error.details, Buffer.isBuffer(details) ? details : undefined);
}

function decoded<T>(type: string, bytes: Buffer): T {
  return definitionOf(`/google.rpc.Details/${type}`).responseDeserialize(bytes) as T;
}

/** Unwraps again and again until the daemon has heard that the customer allows it again. */
export async function untilServed(client: Pick<KeyProxyClient, 'call'>, request: object): Promise<object> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await client.call('Unwrap', request);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
