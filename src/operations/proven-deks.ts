/**
 * The last wrapped DEKs that were opened under one key, with what they held. The same bytes again need neither their
 * tag checked nor their key derived: both would give what they gave before, since tenant and context belong to the
 * cache entry that this is part of (docs/decisions/0006-proven-deks.md).
 */
import type { SecretBytes } from '../base/secret.ts';
import { Lease } from '../dek/lease.ts';

/** How many are kept; a caller who works with one key at a time needs one. */
export const maxProvenDeks = 4;

export class ProvenDeks implements Disposable {
  readonly #deks = new Map<string, Lease<SecretBytes>>();

  /** What these bytes held, if they were opened lately. The caller disposes of the lease. */
  find(wrappedDek: Buffer): Lease<SecretBytes> | undefined {
    return this.#deks.size === 0 ? undefined : this.#deks.get(wrappedDek.toString('latin1'))?.share();
  }

  /** Keeps what was found in these bytes, in the place of the oldest, and returns a lease of it for the caller. */
  keep(wrappedDek: Buffer, dek: SecretBytes): Lease<SecretBytes> {
    const name = wrappedDek.toString('latin1');
    const [oldest] = this.#deks.keys();
    if (oldest !== undefined && this.#deks.size >= maxProvenDeks) this.#drop(oldest);
    this.#drop(name);
    const lease = Lease.own(dek);
    this.#deks.set(name, lease);
    return lease.share();
  }

  #drop(name: string): void {
    this.#deks.get(name)?.[Symbol.dispose]();
    this.#deks.delete(name);
  }

  /** Lets go of all of them. */
  [Symbol.dispose](): void {
    for (const name of [...this.#deks.keys()]) this.#drop(name);
  }
}
