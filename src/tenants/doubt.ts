/**
 * An answer that may be the customer's no or a fault of the service. Only the canary's yes clears it, or an answer of
 * the service's own that is certainly an outage; where it lasts, it is a no. Silence neither clears it nor makes it one:
 * that it lasts has to be said by the service.
 */
import type { Clock } from '../base/clock.ts';
import type { KmsError } from '../kms/fault.ts';

/** After this time without a clear answer an ambiguous one is a no, in milliseconds. */
const lastsMs = 300_000;

export class Doubt {
  readonly #clock: Clock;
  /** Since when, on the monotonic clock. */
  #since: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isRaised(): boolean {
    return this.#since !== undefined;
  }

  /** When it counts as lasting, on the monotonic clock; never, where there is none. */
  get endsAt(): number {
    return this.#since === undefined ? Number.POSITIVE_INFINITY : this.#since + lastsMs;
  }

  /** One more ambiguous answer. Tells whether there has been doubt for so long that it is a no. */
  rise(): 'young' | 'lasting' {
    const now = this.#clock.monotonic();
    this.#since ??= now;
    return now >= this.endsAt ? 'lasting' : 'young';
  }

  /** Cleared by a yes, or turned into a no. */
  settle(): void {
    this.#since = undefined;
  }

  /** Cleared by an outage that the service itself told: one with its request id. Throttling says nothing of the key. */
  settleBy({ fault, details }: KmsError): void {
    if (fault.kind !== 'outage' || fault.reason !== 'KEY_SERVICE_UNAVAILABLE') return;
    if (details.requestId !== undefined) this.#since = undefined;
  }
}
