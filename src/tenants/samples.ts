/**
 * What a key was used for lately, to ask it with where no canary can be: the last things that it wrapped, each under a
 * context of its own, since a policy may forbid one context and allow another.
 */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';

/** Something that a key wrapped, the context that it opens under, and a hash of what comes out. */
export interface Wrapped {
  readonly entry: EncryptedDataKey;
  readonly context: EncryptionContext;
  readonly hash: Buffer;
}

/** How many are kept: a no to all of them is taken for one to the key. */
export const mostSamples = 3;

export class Samples {
  /** The newest first. */
  #wrapped: readonly Wrapped[];
  /** What somebody wanted the key for last. */
  #wanted: EncryptionContext | undefined;

  /** `earlier`: what another process kept, the newest first. */
  constructor(earlier: { readonly wrapped: readonly Wrapped[]; readonly wanted?: EncryptionContext | undefined }) {
    this.#wrapped = earlier.wrapped.slice(0, mostSamples);
    this.#wanted = earlier.wanted;
  }

  get wrapped(): readonly Wrapped[] {
    return this.#wrapped;
  }

  get wanted(): EncryptionContext | undefined {
    return this.#wanted;
  }

  /** The key has wrapped this, or opened it: it takes the place of what there was under the same context. */
  saw(sample: Wrapped): void {
    const others = this.#wrapped.filter(({ context }) => !context.equals(sample.context));
    this.#wrapped = [sample, ...others].slice(0, mostSamples);
  }

  /** Whether something is known that opens under this context. */
  has(wanted: EncryptionContext): boolean {
    return this.#wrapped.some(({ context }) => context.equals(wanted));
  }

  /** Somebody wants to use the key under this context. */
  wantedUnder(context: EncryptionContext): void {
    this.#wanted = context;
  }

  /** The contexts to ask under, each once. */
  contexts(): EncryptionContext[] {
    const known = this.#wrapped.map(({ context }) => context);
    return this.#wanted === undefined || this.has(this.#wanted) ? known : [...known, this.#wanted];
  }
}
