/** Faults on demand: what a network or an unwell service does to a call, and to which calls. */

export type Fault =
  /** The call works, this much later. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** An error of the service's own, in its own form. */
  | { readonly kind: 'error'; readonly code: string; readonly status: number; readonly message?: string }
  /** The service's own throttling answer. */
  | { readonly kind: 'throttle'; readonly retryAfterSeconds?: number }
  /** The connection is reset before any answer. */
  | { readonly kind: 'reset' }
  /** No answer ever comes. */
  | { readonly kind: 'hang' }
  /** The operation runs; its headers come, then silence. */
  | { readonly kind: 'half-open' }
  /** The operation runs; half of its body comes, then the connection ends. */
  | { readonly kind: 'truncate' }
  /** A page of some proxy in between. */
  | { readonly kind: 'html'; readonly status: number }
  /** The operation runs; its body comes byte by byte. */
  | { readonly kind: 'trickle'; readonly msPerByte: number };

/** What a call is before it runs, by the names that its simulator gives: operation, key and the like. */
export type FaultTarget = Readonly<Record<string, string | undefined>>;

/** Which calls a fault meets, and how often; what is left out matches every call, for ever. */
export type FaultRule<T extends FaultTarget, F = Fault> = Partial<T> & {
  readonly times?: number;
  readonly fault: F;
};

/** The rules in force; `F` where a simulator has faults of its own. The rule that was added last wins. */
export class Faults<T extends FaultTarget, F = Fault> {
  #rules: { readonly rule: FaultRule<T, F>; left: number }[] = [];

  add(rule: FaultRule<T, F>): { remove(): void } {
    const entry = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
    this.#rules.push(entry);
    return {
      remove: () => {
        this.#rules = this.#rules.filter((other) => other !== entry);
      },
    };
  }

  /** Takes every rule away. */
  clear(): void {
    this.#rules = [];
  }

  /** The fault that this call meets; counts it. */
  take(target: T): F | undefined {
    const entry = this.#rules.findLast(({ rule, left }) => left > 0 && matches(rule, target));
    if (entry === undefined) return undefined;
    entry.left -= 1;
    return entry.rule.fault;
  }
}

function matches(
  { fault: _fault, times: _times, ...wanted }: FaultRule<FaultTarget, unknown>,
  target: FaultTarget,
): boolean {
  return Object.entries(wanted).every(([name, value]) => value === undefined || value === target[name]);
}
