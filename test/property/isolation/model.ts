/**
 * Who may open what, in the plainest way: a list of all that was made, and of who may work for whom. It knows nothing of
 * keys, caches, formats and time.
 */

import type { Verb } from '../../../src/base/verb.ts';

/** Pairs of an encryption context, as a caller gives them. */
export type Pairs = Readonly<Record<string, string>>;

/** Something that was made for a tenant, with all that it takes to open it again. */
export interface Made {
  readonly kind: 'message' | 'wrapped DEK';
  readonly tenant: string;
  readonly pairs: Pairs;
  readonly ad: string;
  readonly bytes: Buffer;
  readonly secret: Buffer;
  /** The key that was the tenant's current one. */
  readonly keyId: string;
}

/** Somebody tries to open some bytes. */
export interface Attempt {
  readonly caller: string;
  readonly verb: 'decrypt' | 'unwrap' | 'rewrap a message' | 'rewrap a wrapped DEK';
  readonly tenant: string;
  readonly pairs: Pairs;
  readonly ad: string;
  readonly bytes: Buffer;
}

/** What has to come of an attempt while all keys are well: the thing opens, or the call fails with the reason. */
export type Verdict = { readonly opens: Made } | { readonly fails: string };

export class Model {
  readonly #made = new Map<string, Made>();
  /** What callers may do, by caller and tenant. */
  readonly #allowed = new Map<string, ReadonlySet<Verb>>();
  /** Tenants that are served, with the ids of the keys that their data opens with. */
  readonly served = new Map<string, ReadonlySet<string>>();

  get all(): readonly Made[] {
    return [...this.#made.values()];
  }

  allow(caller: string, tenant: string, verbs: ReadonlySet<Verb>): void {
    this.#allowed.set(`${caller} ${tenant}`, verbs);
  }

  allowed(caller: string, tenant: string): ReadonlySet<Verb> {
    return this.#allowed.get(`${caller} ${tenant}`) ?? new Set();
  }

  /** What a call has to end with whatever is in it; undefined where it is let in. */
  turnedAway(caller: string, tenant: string, verb: Verb): 'ACCESS_DENIED' | 'TENANT_UNKNOWN' | undefined {
    if (!this.allowed(caller, tenant).has(verb)) return 'ACCESS_DENIED';
    return this.served.has(tenant) ? undefined : 'TENANT_UNKNOWN';
  }

  keep(made: Made): void {
    this.#made.set(made.bytes.toString('latin1'), made);
  }

  /** Forgets what was made first, so that there are no more than `most`. */
  forget(most: number): void {
    for (const name of this.#made.keys()) {
      if (this.#made.size <= most) return;
      this.#made.delete(name);
    }
  }

  verdict(attempt: Attempt): Verdict {
    const { caller, tenant, verb, pairs } = attempt;
    const isForMessages = verb === 'decrypt' || verb === 'rewrap a message';
    const fails = this.turnedAway(caller, tenant, verb === 'decrypt' || verb === 'unwrap' ? verb : 'rewrap');
    if (fails !== undefined) return { fails };
    if (!isForMessages && 'tenant_id' in pairs) return { fails: 'CONTEXT_RESERVED' };
    const made = this.#made.get(attempt.bytes.toString('latin1'));
    const isIts =
      made !== undefined &&
      made.tenant === tenant &&
      this.served.get(tenant)?.has(made.keyId) === true &&
      (made.kind === 'message') === isForMessages &&
      (made.kind === 'wrapped DEK' || made.ad === attempt.ad) &&
      isContextOf(made, pairs, isForMessages);
    return isIts ? { opens: made } : { fails: 'DECRYPT_FAILED' };
  }
}

/** A message says its own context, so that none may be given; what its answer says of the tenant may be given again. */
function isContextOf(made: Made, pairs: Pairs, isMessage: boolean): boolean {
  if (!isMessage) return sorted(pairs) === sorted(made.pairs);
  if (Object.keys(pairs).length === 0) return true;
  return (
    sorted({ ...pairs, tenant_id: pairs['tenant_id'] ?? made.tenant }) ===
    sorted({ ...made.pairs, tenant_id: made.tenant })
  );
}

function sorted(pairs: Pairs): string {
  return JSON.stringify(Object.entries(pairs).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
