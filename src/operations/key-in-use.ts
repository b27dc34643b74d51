/** A key for the length of one request. */
import type { Lease } from '../dek/lease.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { TenantKey } from './tenant-key.ts';

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
  readonly #keep: (() => void) | undefined;

  /** Takes over `lease`. */
  constructor(
    lease: Lease<TenantKey>,
    { remainingMs, ring, keep }: { remainingMs: number; ring: KeyRing; keep?: () => void },
  ) {
    this.#lease = lease;
    this.#keep = keep;
    this.key = lease.value;
    this.isCurrent = lease.value.isCompleteFor(ring);
    this.maxAgeSeconds = Math.floor(Math.max(remainingMs, 0) / 1000);
  }

  /**
   * Lets the cache keep a key that was fetched: for whoever has checked that it belongs to what it was fetched for. A
   * key service that binds no context opens an entry under any; such keys must not push others out of the cache.
   */
  keep(): void {
    this.#keep?.();
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}
