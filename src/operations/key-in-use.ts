/** A key for the length of one request. */
import type { Lease } from '../dek/lease.ts';
import type { TenantKey } from './tenant-key.ts';

/** A key to work with. Dispose of it when done. */
export class KeyInUse implements Disposable {
  readonly key: TenantKey;
  /** How long a caller may keep what comes from it, in whole seconds. */
  readonly maxAgeSeconds: number;
  readonly #lease: Lease<TenantKey>;

  constructor(lease: Lease<TenantKey>, remainingMs: number) {
    this.#lease = lease;
    this.key = lease.value;
    this.maxAgeSeconds = Math.floor(Math.max(remainingMs, 0) / 1000);
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}
