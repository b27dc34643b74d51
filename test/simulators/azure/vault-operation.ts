/** What a vault is to its operations, and what an operation is to a vault. */
import type { RateLimit } from '../aws/rate-limit.ts';
import type { Notes, Reply, Request } from './answering.ts';
import type { KeyStore } from './keys.ts';
import type { Gate, Permission } from './vault-access.ts';

export interface Vault {
  readonly gate: Gate;
  readonly keys: KeyStore;
  readonly rateLimit: RateLimit;
  readonly now: () => number;
  /** Its origin as clients write it, known once it listens. */
  readonly origin: () => string;
}

/** One request of a caller who may make it. */
export interface VaultRequest {
  readonly vault: Vault;
  readonly request: Request;
  readonly notes: Notes;
  /** Empty where the path has none. */
  readonly name: string;
  readonly version: string;
}

export interface VaultOperation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Parts of the path; `:name` and `:version` stand for any, and an absent version for the newest. */
  readonly paths: readonly string[];
  readonly permission: Permission;
  run(request: VaultRequest): Promise<Reply> | Reply;
}
