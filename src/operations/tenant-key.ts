/** A key in use: the data key, the wrapped forms that open it, and what callers may know of it. */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { DataKey } from '../envelope/data-key.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { KeyWatch } from '../tenants/key-watch.ts';
import type { Permit } from '../tenants/permit.ts';
import { Completion } from './completion.ts';
import { ProvenDeks } from './proven-deks.ts';

/**
 * Bytes that an entry takes beside its wrapped forms: key material, proven DEKs with their names, bookkeeping.
 * Estimated.
 */
const overheadBytes = 3584;

/** What a key is made of; it takes the data key over. */
export interface TenantKeyParts {
  readonly dataKey: DataKey;
  readonly entries: readonly EncryptedDataKey[];
  readonly context: EncryptionContext;
  readonly info: KeyInfo;
  /** The key that made or opened it: its no is one to this. */
  readonly openedBy: KeyWatch;
  /** What it stands on. */
  readonly permit: Permit;
  /** When it was made or opened, in milliseconds of the monotonic clock. */
  readonly bornAt: number;
  /** How the key service calls the request that made or opened it. */
  readonly requestId?: string | undefined;
}

export class TenantKey implements Disposable {
  readonly dataKey: DataKey;
  readonly entries: readonly EncryptedDataKey[];
  readonly context: EncryptionContext;
  readonly info: KeyInfo;
  readonly openedBy: KeyWatch;
  readonly permit: Permit;
  readonly bornAt: number;
  readonly requestId: string | undefined;
  /** How many messages or derived keys it has served as a root. */
  uses = 0;
  /** What was unwrapped under it lately. */
  readonly proven = new ProvenDeks();
  /** The attempts to replace it, where it is a root that not all keys open. */
  readonly completion: Completion;
  #coverage: { readonly ring: KeyRing; readonly isComplete: boolean } | undefined;

  constructor(parts: TenantKeyParts) {
    this.dataKey = parts.dataKey;
    this.entries = parts.entries;
    this.context = parts.context;
    this.info = parts.info;
    this.openedBy = parts.openedBy;
    this.permit = parts.permit;
    this.bornAt = parts.bornAt;
    this.requestId = parts.requestId;
    this.completion = new Completion(parts.bornAt);
  }

  /** Whether every key that new data goes under opens it. Asked on each call, and looked at once for each ring. */
  isCompleteFor(ring: KeyRing): boolean {
    if (this.#coverage?.ring !== ring) this.#coverage = { ring, isComplete: ring.covers(this.entries) };
    return this.#coverage.isComplete;
  }

  /** What it counts for against the cache's bound, in bytes. */
  get bytes(): number {
    let size = overheadBytes + this.context.serialized.length;
    for (const entry of this.entries) {
      size += entry.providerId.length + entry.providerInfo.length + entry.ciphertext.length;
    }
    return size;
  }

  /** Wipes the data key and what was derived from it. */
  [Symbol.dispose](): void {
    this.proven[Symbol.dispose]();
    this.dataKey[Symbol.dispose]();
  }
}
