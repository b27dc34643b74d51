/** What a key is called and marked with by its owner; the rules of an environment are about it. */
import { KmsError, type KmsErrorDetails } from './fault.ts';

/** What is wanted of a key; the rest is not asked for, since it may take a permission that nobody has given. */
export interface FactsCall {
  readonly names: boolean;
  readonly tags: boolean;
  readonly signal: AbortSignal;
}

/** Names and marks of one key. */
export interface KeyFacts {
  /** Its aliases where its provider has aliases, else its own name; empty where nobody asked. */
  readonly names: readonly string[];
  /** Its tags, or labels; empty where nobody asked, and for keys that have none. */
  readonly tags: ReadonlyMap<string, string>;
}

/** Why facts cannot be read, and what would let keyproxy read them. */
export interface Unreadable {
  /** What cannot be read, in the plural: `aliases`. */
  readonly what: string;
  /** What to do, as a clause that names the permission. */
  readonly remedy: string;
}

/** The error for a key of which the segregation matrix asks what keyproxy may not read. */
export function unreadable({ what, remedy }: Unreadable, details: KmsErrorDetails): KmsError {
  const advice = `the key's ${what} decide over that and cannot be read; ${remedy}`;
  return new KmsError({ kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' }, { ...details, advice });
}

/** The facts that `read` gives; a denial becomes the error that says what is missing. */
export async function readable<T>(why: Unreadable, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof KmsError) || error.fault.kind !== 'refusal') throw error;
    throw error.fault.reason === 'KEY_ACCESS_DENIED' ? unreadable(why, error.details) : error;
  }
}
