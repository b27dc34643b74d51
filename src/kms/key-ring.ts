/**
 * A tenant's keys, by the part that each has: new data goes under the current key and under every replica; retired
 * keys only open what they wrapped.
 */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { KeyService } from './key-service.ts';

/** An entry together with a key that opens it. */
export interface OwnedEntry {
  readonly service: KeyService;
  readonly entry: EncryptedDataKey;
}

/** The keys that a ring is made of; it takes them over. */
export interface RingKeys {
  readonly current: KeyService;
  readonly replicas?: readonly KeyService[];
  readonly retired?: readonly KeyService[];
}

/** The keys of one tenant. Disposing of it disposes of all of them. A ring that was made of another is a view of it. */
export class KeyRing implements AsyncDisposable {
  /** New data goes under this key. */
  readonly current: KeyService;
  /** The current key and, in their order, its replicas: new data goes under all of them. */
  readonly writers: readonly KeyService[];
  /** The same keys for work that nobody waits for: calls go behind those of this ring. */
  readonly background: KeyRing;
  readonly #all: readonly KeyService[];

  constructor({ current, replicas = [], retired = [] }: RingKeys, background?: RingKeys) {
    this.current = current;
    this.writers = [current, ...replicas];
    this.#all = [...this.writers, ...retired];
    this.background = background === undefined ? this : new KeyRing(background);
  }

  /** The same keys, where new data goes under no replica that is `shut`: such a one opens, or not, what it wrapped. */
  without(shut: (replica: KeyService) => boolean): KeyRing {
    return new KeyRing(this.#keysWithout(shut), this.background.#keysWithout(shut));
  }

  #keysWithout(shut: (replica: KeyService) => boolean): RingKeys {
    const [, ...replicas] = this.writers;
    const others = this.#all.filter((service) => !this.writers.includes(service));
    return {
      current: this.current,
      replicas: replicas.filter((service) => !shut(service)),
      retired: [...replicas.filter(shut), ...others],
    };
  }

  /**
   * Each entry with each key that opens it, in the order in which they are to be tried: the current key, replicas,
   * retired keys. What no key knows is left out.
   */
  owned(entries: readonly EncryptedDataKey[]): OwnedEntry[] {
    const found: OwnedEntry[] = [];
    for (const service of this.#all) {
      for (const entry of entries) if (service.owns(entry)) found.push({ service, entry });
    }
    return found;
  }

  /** The first key that `owned` would name, found without making a list: the way of the hot path. */
  firstToOwn(entries: readonly EncryptedDataKey[]): KeyService | undefined {
    for (const service of this.#all) {
      for (const entry of entries) if (service.owns(entry)) return service;
    }
    return undefined;
  }

  /** Whether every key that new data goes under opens one of `entries`. */
  covers(entries: readonly EncryptedDataKey[]): boolean {
    return this.writers.every((service) => entries.some((entry) => service.owns(entry)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((service) => service[Symbol.asyncDispose]()));
  }
}
