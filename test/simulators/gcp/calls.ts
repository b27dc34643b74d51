/** What has been asked, as a customer's audit log would show it: never a plaintext, a ciphertext or a token. */
import type { ServiceName } from './faults.ts';

/** One call that was answered, or that a fault kept from being answered. */
export interface Call {
  readonly service: ServiceName;
  /** A method's name (`Encrypt`), `token`, `generateAccessToken`, or the last part of the metadata's path. */
  readonly operation: string;
  /** The key's name, without a version. */
  readonly key?: string;
  /** The resource as the request named it: a key, a version, a place. */
  readonly resource?: string;
  /** Who asked: a service account's address or a federated principal; absent when the request proved no identity. */
  readonly principal?: string;
  /** `ok`, the code of the error, or `fault:` and the kind of an injected fault that took the answer's place. */
  readonly outcome: string;
  /** Milliseconds since 1970, when the request had arrived whole. */
  readonly at: number;
}

/** Fields that a call must have; what is left out matches all. */
export type CallFilter = Partial<Pick<Call, 'service' | 'key' | 'resource' | 'principal' | 'outcome'>>;

/** Counts the calls of one operation that fit the filter. */
export function countCalls(calls: readonly Call[], operation: string, filter: CallFilter = {}): number {
  const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
  return calls.filter(
    (call) =>
      call.operation === operation &&
      wanted.every(([name, value]) => Object.entries(call).some(([field, has]) => field === name && has === value)),
  ).length;
}
