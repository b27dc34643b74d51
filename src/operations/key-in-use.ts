/** A key for the length of one request. */
import type { Lease } from '../dek/lease.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { KeyWatch } from '../tenants/key-watch.ts';
import { kmsFailure } from './failures.ts';
import type { TenantKey } from './tenant-key.ts';

/** How a key came to a request. */
export interface UseTerms {
  /** How long the cache will still hold it, in milliseconds. */
  readonly remainingMs: number;
  readonly ring: KeyRing;
  /** The epoch of the tenant's current key when the request began. */
  readonly since: { readonly watch: KeyWatch; readonly epoch: number };
  readonly keep?: () => void;
}

/** A key to work with. Dispose of it when done. */
export class KeyInUse implements Disposable {
  readonly key: TenantKey;
  /** How long a caller may keep what comes from it, in whole seconds. */
  readonly maxAgeSeconds: number;
  /**
   * Whether the tenant's current key and all its replicas wrapped it. Asked anew each time: a cached key outlives a
   * change of keys.
   */
  readonly isCurrent: boolean;
  readonly #lease: Lease<TenantKey>;
  readonly #terms: UseTerms;

  /** Takes over `lease`. */
  constructor(lease: Lease<TenantKey>, terms: UseTerms) {
    this.#lease = lease;
    this.#terms = terms;
    this.key = lease.value;
    this.isCurrent = lease.value.isCompleteFor(terms.ring);
    this.maxAgeSeconds = Math.floor(Math.max(terms.remainingMs, 0) / 1000);
  }

  /**
   * Lets the cache keep a key that was fetched: for whoever has checked that it belongs to what it was fetched for. A
   * key service that binds no context opens an entry under any; such keys must not push others out of the cache.
   */
  keep(): void {
    this.#terms.keep?.();
  }

  /**
   * The last thing before an answer: throws the public failure where a key that this one stands on has said no since the
   * request began, so that nothing leaves after it; and where the key that opened it, if it is not the current one, may
   * not be used for now.
   */
  confirm(): void {
    const { watch, epoch } = this.#terms.since;
    const { permit, openedBy } = this.key;
    if (watch.epoch === epoch && permit.holds && (openedBy === watch || openedBy.state.kind === 'active')) return;
    try {
      watch.expectUsable();
      openedBy.expectUsable();
      permit.check();
    } catch (error) {
      throw kmsFailure(error);
    }
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}
