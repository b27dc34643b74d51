/** What has been asked, as an audit device would keep it: never a plaintext, a ciphertext, a token or a secret id. */

export interface Call {
  /** `encrypt`, `approle-login` and the like; empty for a path that no operation has. */
  readonly operation: string;
  readonly method: string;
  /** The transit key's name or the role's, where the path or the body names one. */
  readonly key?: string;
  /** Path of the mount without its slash. */
  readonly mount?: string;
  /** Path of the namespace without slashes at its ends; absent for the root namespace. */
  readonly namespace?: string;
  /** Accessor of the token that asked, where it was a live one. */
  readonly accessor?: string;
  /** Number of items of a batch; absent for a single one. */
  readonly batchSize?: number;
  readonly status: number;
  /** `ok`, the error's text (its status where it has none), or `fault:` and the kind of an injected fault that took the answer's place. */
  readonly outcome: string;
  /** As in the answer's `request_id`. */
  readonly requestId: string;
  /** Milliseconds since 1970, when the request had arrived whole. */
  readonly at: number;
}

/** Fields that a call must have; what is left out matches all. */
export type CallFilter = Partial<Pick<Call, 'key' | 'mount' | 'namespace' | 'accessor' | 'status' | 'outcome'>>;

/** Counts the calls of one operation that fit the filter. */
export function countCalls(calls: readonly Call[], operation: string, filter: CallFilter = {}): number {
  const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
  return calls.filter(
    (call) => call.operation === operation && wanted.every(([name, value]) => call[name as keyof Call] === value),
  ).length;
}
