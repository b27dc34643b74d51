/** Business events of the engine. Telemetry turns each into its metric and its log line. */
import type { Reason } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { ProviderName } from '../kms/key-service.ts';
import type { Subject } from './standing.ts';

/** The verbs that look into the cache. */
export type CacheOperation = 'generate_dek' | 'unwrap' | 'encrypt' | 'decrypt' | 'rewrap';

/** What the cache could say: it had the key, somebody was already fetching it, or it had to be fetched. */
export type CacheResult = 'hit' | 'miss' | 'coalesced';

export interface EngineObserver {
  /** The cache was asked for a key. */
  cacheAsked(tenant: TenantId, operation: CacheOperation, result: CacheResult): void;
  /** A data key was made, from the root or by the key service. */
  dekGenerated(source: 'derived' | 'kms', seconds: number): void;
  /** A replica of this provider answered, because no key before it did. */
  failedOver(tenant: TenantId, provider: ProviderName): void;
  /** Unwrap or Decrypt ended; where it failed, with the reason, and what only the log may know. */
  decryptionEnded(tenant: TenantId, failure?: Reason, why?: string): void;
  /** The policy did not allow an operation. */
  accessDenied(subject: Subject): void;
  /** An operation failed, for a tenant that wants to be told, and not by a mistake of its caller's. */
  operationFailed(subject: Subject, reason: Reason): void;
}
