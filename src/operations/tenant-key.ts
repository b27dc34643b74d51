/** A key in use: the data key, the wrapped forms that open it, and what callers may know of it. */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { DataKey } from '../envelope/data-key.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import { Completion } from './completion.ts';
import { ProvenDeks } from './proven-deks.ts';

/**
 * Bytes that an entry takes beside its wrapped forms: key material, proven DEKs with their names, bookkeeping.
 * Estimated.
 */
const overheadBytes = 3584;

export class TenantKey implements Disposable {
  readonly dataKey: DataKey;
  readonly entries: readonly EncryptedDataKey[];
  readonly info: KeyInfo;
  /** When it was made or opened, in milliseconds of the monotonic clock. */
  readonly bornAt: number;
  /** How many messages or derived keys it has served as a root. */
  uses = 0;
  /** What was unwrapped under it lately. */
  readonly proven = new ProvenDeks();
  /** The attempts to replace it, where it is a root that not all keys open. */
  readonly completion: Completion;
  #coverage: { readonly ring: KeyRing; readonly isComplete: boolean } | undefined;

  constructor(options: {
    dataKey: DataKey;
    entries: readonly EncryptedDataKey[];
    info: KeyInfo;
    bornAt: number;
  }) {
    this.dataKey = options.dataKey;
    this.entries = options.entries;
    this.info = options.info;
    this.bornAt = options.bornAt;
    this.completion = new Completion(options.bornAt);
  }

  /** Whether every key that new data goes under opens it. Asked on each call, and looked at once for each ring. */
  isCompleteFor(ring: KeyRing): boolean {
    if (this.#coverage?.ring !== ring) this.#coverage = { ring, isComplete: ring.covers(this.entries) };
    return this.#coverage.isComplete;
  }

  /** What it counts for against the cache's bound, in bytes. */
  get bytes(): number {
    let size = overheadBytes;
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
