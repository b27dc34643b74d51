/** What has been asked, as a customer's CloudTrail would show it: never a plaintext, a blob or a credential. */
import type { ServiceName } from './errors.ts';

export interface Call {
  readonly service: ServiceName;
  /** The operation's name; empty where the request named none. */
  readonly operation: string;
  readonly keyArn?: string;
  /** Absent when the request proved no identity. */
  readonly principalArn?: string;
  /** The pairs of the request, for ReEncrypt those of the source. */
  readonly encryptionContext?: Readonly<Record<string, string>>;
  /** The name that AssumeRole asked for, or that the calling session has. */
  readonly roleSessionName?: string;
  /** `ok`, the error code of the answer, or `fault:` and the kind of an injected fault that took the answer's place. */
  readonly outcome: string;
  /** As in the answer's `x-amzn-requestid`. */
  readonly requestId: string;
  /** Milliseconds since 1970, when the request had arrived whole. */
  readonly at: number;
}

/** Fields that a call must have; what is left out matches all. */
export type CallFilter = Partial<
  Pick<Call, 'service' | 'keyArn' | 'principalArn' | 'roleSessionName' | 'outcome' | 'requestId'>
>;

/** Counts the calls of one operation that fit the filter. */
export function countCalls(calls: readonly Call[], operation: string, filter: CallFilter = {}): number {
  return calls.filter((call) => call.operation === operation && fits(call, filter)).length;
}

function fits(call: Call, filter: CallFilter): boolean {
  return (
    (filter.service === undefined || filter.service === call.service) &&
    (filter.keyArn === undefined || filter.keyArn === call.keyArn) &&
    (filter.principalArn === undefined || filter.principalArn === call.principalArn) &&
    (filter.roleSessionName === undefined || filter.roleSessionName === call.roleSessionName) &&
    (filter.outcome === undefined || filter.outcome === call.outcome) &&
    (filter.requestId === undefined || filter.requestId === call.requestId)
  );
}
