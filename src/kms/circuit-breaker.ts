/**
 * A circuit breaker in front of one key: while its service gives no answer, calls fail at once instead of each
 * waiting for its time to pass, so that a replica or the caller's own fallback comes into play.
 *
 *     closed    ──3 outages in a row──▶ open        a success in between starts the count anew
 *     open      ──pause is over───────▶ half-open   one call is let through, the others still fail at once
 *     half-open ──answer──────────────▶ closed      whatever the answer is: a refusal is one too
 *     half-open ──outage──────────────▶ open        for twice as long, up to a bound
 *
 * Throttling is an answer of a service that is well: it neither opens nor closes.
 */
import type { Clock } from '../base/clock.ts';
import { DeadlinePassed } from './deadline.ts';
import { decorated } from './decorated.ts';
import { KmsError } from './fault.ts';
import type { KeyService } from './key-service.ts';

export interface BreakerOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Told when it opens and when it closes. */
  readonly onChange?: (state: 'open' | 'closed') => void;
}

/** Outages in a row that open it. */
const threshold = 3;
/** The first pause and the longest, in milliseconds; a third of each is jitter. */
const [firstPauseMs, longestPauseMs] = [1_000, 30_000];

type State =
  | { readonly kind: 'closed'; readonly outages: number }
  | { readonly kind: 'open'; readonly until: number; readonly pauseMs: number }
  | { readonly kind: 'half-open'; readonly pauseMs: number };

/** The failure of a call that was not made. It is not worth a retry: the time to wait is known. */
export class CircuitOpen extends KmsError {
  constructor(provider: string, operation: string, retryAfterMs: number) {
    super({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE', retryAfterMs }, { provider, operation, providerCode });
    this.name = 'CircuitOpen';
  }
}

const providerCode = 'CircuitOpen';

/** The same key service behind a circuit breaker of its own. Takes `service` over. */
export function withBreaker(service: KeyService, options: BreakerOptions): KeyService {
  const breaker = new CircuitBreaker(options);
  return decorated(service, async (operation, signal, call) => {
    const waitMs = breaker.enter();
    if (waitMs > 0) throw new CircuitOpen(service.provider, operation, waitMs);
    try {
      const result = await call(signal);
      breaker.answered();
      return result;
    } catch (error) {
      breaker.failed(error, signal);
      throw error;
    }
  });
}

class CircuitBreaker {
  readonly #options: BreakerOptions;
  #state: State = { kind: 'closed', outages: 0 };

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** 0 where a call may be made; else the milliseconds until one may. */
  enter(): number {
    const state = this.#state;
    if (state.kind === 'closed') return 0;
    if (state.kind === 'half-open') return state.pauseMs;
    const left = state.until - this.#options.clock.monotonic();
    if (left > 0) return left;
    this.#state = { kind: 'half-open', pauseMs: state.pauseMs };
    return 0;
  }

  answered(): void {
    if (this.#state.kind !== 'closed') this.#options.onChange?.('closed');
    this.#state = { kind: 'closed', outages: 0 };
  }

  /** Counts a failure. A caller who gave up says nothing about the service, but must not keep the way blocked. */
  failed(error: unknown, signal: AbortSignal): void {
    const fault = error instanceof KmsError ? error.fault : undefined;
    if (fault !== undefined && fault.kind !== 'outage') this.answered();
    else if (fault?.reason === 'KEY_SERVICE_UNAVAILABLE' && !gaveUp(signal)) this.#outage();
    else if (this.#state.kind === 'half-open') this.#open(this.#state.pauseMs);
  }

  #outage(): void {
    const state = this.#state;
    if (state.kind === 'half-open') this.#open(Math.min(2 * state.pauseMs, longestPauseMs));
    else if (state.kind === 'closed' && state.outages + 1 < threshold) {
      this.#state = { kind: 'closed', outages: state.outages + 1 };
    } else if (state.kind === 'closed') {
      this.#open(firstPauseMs);
      this.#options.onChange?.('open');
    }
  }

  #open(pauseMs: number): void {
    const jittered = pauseMs * (1 - this.#options.random() / 3);
    this.#state = { kind: 'open', until: this.#options.clock.monotonic() + jittered, pauseMs };
  }
}

/** The deadline of an attempt is the service's silence; any other reason is somebody's who stopped waiting. */
function gaveUp(signal: AbortSignal): boolean {
  return signal.aborted && !(signal.reason instanceof DeadlinePassed);
}
