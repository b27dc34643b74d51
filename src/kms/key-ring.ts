/** A tenant's keys: the one that new data goes under, and those that may still be read. */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { KeyService } from './key-service.ts';

/** An entry together with the key that wrapped it. */
export interface OwnedEntry {
  readonly service: KeyService;
  readonly entry: EncryptedDataKey;
}

export class KeyRing implements AsyncDisposable {
  /** New data goes under this key. */
  readonly current: KeyService;
  readonly #all: readonly KeyService[];

  constructor(current: KeyService, retired: readonly KeyService[]) {
    this.current = current;
    this.#all = [current, ...retired];
  }

  /** Those entries that one of the keys wrapped, in the order they came; what no key knows is left out. */
  owned(entries: readonly EncryptedDataKey[]): OwnedEntry[] {
    const found: OwnedEntry[] = [];
    for (const entry of entries) {
      const service = this.#all.find((candidate) => candidate.owns(entry));
      if (service !== undefined) found.push({ service, entry });
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((service) => service[Symbol.asyncDispose]()));
  }
}
