/** A key for the length of one request. */
import type { Lease } from '../dek/lease.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { TenantKey } from './tenant-key.ts';

/** A key to work with. Dispose of it when done. */
export class KeyInUse implements Disposable {
  readonly key: TenantKey;
  /** How long a caller may keep what comes from it, in whole seconds. */
  readonly maxAgeSeconds: number;
  /** Whether the tenant's current key wrapped it. Asked anew each time: a cached key outlives a change of keys. */
  readonly isCurrent: boolean;
  readonly #lease: Lease<TenantKey>;

  /** Takes over `lease`. */
  constructor(lease: Lease<TenantKey>, { remainingMs, current }: { remainingMs: number; current: KeyService }) {
    this.#lease = lease;
    this.key = lease.value;
    this.isCurrent = lease.value.info.keyId === current.keyId;
    this.maxAgeSeconds = Math.floor(Math.max(remainingMs, 0) / 1000);
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}
