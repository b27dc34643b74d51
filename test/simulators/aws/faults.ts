/** Faults on demand: what a network or an unwell service does to a call, and to which calls. */
import type { ServiceName } from './errors.ts';

export type Fault =
  /** The call works, this much later. */
  | { readonly kind: 'latency'; readonly ms: number }
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

/** Which calls a fault meets, and how often; what is left out matches every call, for ever. */
export interface FaultRule {
  readonly service?: ServiceName;
  readonly operation?: string;
  readonly keyArn?: string;
  readonly times?: number;
  readonly fault: Fault;
}

/** What a call is before it runs. */
export interface FaultTarget {
  readonly service: ServiceName;
  readonly operation: string;
  readonly keyArn?: string;
}

/** The rules in force. The rule that was added last wins. */
export class Faults {
  #rules: { readonly rule: FaultRule; left: number }[] = [];

  add(rule: FaultRule): { remove(): void } {
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
  take(target: FaultTarget): Fault | undefined {
    const entry = this.#rules.findLast(({ rule, left }) => left > 0 && matches(rule, target));
    if (entry === undefined) return undefined;
    entry.left -= 1;
    return entry.rule.fault;
  }
}

function matches(rule: FaultRule, target: FaultTarget): boolean {
  return (
    (rule.service ?? target.service) === target.service &&
    (rule.operation ?? target.operation) === target.operation &&
    (rule.keyArn === undefined || rule.keyArn === target.keyArn)
  );
}
