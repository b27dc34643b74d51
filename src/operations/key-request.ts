/** What operations ask keys with. */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { CallRecord } from './audit-trail.ts';
import type { CacheOperation } from './observer.ts';

/** One request's wish for a key. */
export interface KeyRequest {
  readonly tenant: Tenant;
  readonly context: EncryptionContext;
  readonly operation: CacheOperation;
  readonly signal: AbortSignal;
  /** What is written before anything leaves for a key service. */
  readonly record: CallRecord;
}

/** The wrapped forms of one key: as entries, and as the bytes that they were read from. */
export interface WrappedForms {
  readonly entries: readonly EncryptedDataKey[];
  readonly entriesBytes: Buffer;
}
