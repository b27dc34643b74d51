/**
 * A circuit breaker in front of one key: while its service gives no answer, calls fail at once instead of each
 * waiting for its time to pass, so that a replica or the caller's own fallback comes into play.
 *
 *     closed    ──5 outages in a row──▶ open        a success in between starts the count anew
 *     open      ──pause is over───────▶ half-open   one call is let through, the others still fail at once
 *     half-open ──answer──────────────▶ closed      whatever the answer is: a refusal is one too
 *     half-open ──outage──────────────▶ open        for twice as long, up to a bound
 *
 * Throttling is an answer of a service that is well: it neither opens nor closes. Nor does a fault of the data, which
 * may have been found here before anything was sent: whoever hands in what does not open can neither hide an outage nor
 * keep the way blocked.
 */
import type { Clock } from '../base/clock.ts';
import { DeadlinePassed } from './deadline.ts';
import { decorated } from './decorated.ts';
import { KmsError, type KmsErrorDetails } from './fault.ts';
import type { KeyService } from './key-service.ts';

/** What a breaker needs. */
export interface BreakerOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** No pause is longer, in milliseconds; 30 s where it is not given, nor is a longer one. */
  readonly longestPauseMs?: number;
  /** Told when it opens and when it closes. */
  readonly onChange?: (state: 'open' | 'closed') => void;
}

/** Outages in a row that open it: one more than a single call makes attempts. */
const threshold = 5;
/** The first pause and the longest, in milliseconds; a third of each is jitter. */
const [firstPauseMs, longestPauseMs] = [1_000, 30_000];

type State =
  | { readonly kind: 'closed'; readonly outages: number }
  | { readonly kind: 'open'; readonly until: number; readonly pauseMs: number; readonly last: KmsErrorDetails }
  | { readonly kind: 'half-open'; readonly pauseMs: number; readonly last: KmsErrorDetails };

/**
 * The failure of a call that was not made: it tells what the last one that was made ended with. It is not worth a
 * retry, since the time to wait is known.
 */
export class CircuitOpen extends KmsError {
  constructor(last: KmsErrorDetails, retryAfterMs: number) {
    super({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE', retryAfterMs }, last);
    this.name = 'CircuitOpen';
  }
}

/** The same key service behind `breaker`. Takes `service` over. */
export function withBreaker(service: KeyService, breaker: CircuitBreaker): KeyService {
  const told = telling(service, breaker);
  return decorated(told, async (_operation, signal, call) => {
    breaker.enter();
    return await call(signal);
  });
}

/** The same key service, whose calls `breaker` learns from and never holds up: for those that ask how the service is. */
export function telling(service: KeyService, breaker: CircuitBreaker): KeyService {
  return decorated(service, async (_operation, signal, call) => {
    const { answers } = service;
    try {
      const result = await call(signal);
      if (answers === undefined || answers !== service.answers) breaker.answered();
      else breaker.wasNotAsked();
      return result;
    } catch (error) {
      breaker.failed(error, signal);
      throw error;
    }
  });
}

/** The breaker of one key's service. */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #longestPauseMs: number;
  #state: State = { kind: 'closed', outages: 0 };

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#longestPauseMs = Math.max(firstPauseMs, Math.min(longestPauseMs, options.longestPauseMs ?? longestPauseMs));
  }

  /** Throws where no call may be made now. Returns whether the next call is the one that is let through. */
  expectWay(): 'closed' | 'trial' {
    const state = this.#state;
    if (state.kind === 'closed') return 'closed';
    const { pauseMs, last } = state;
    if (state.kind === 'half-open') throw new CircuitOpen(last, pauseMs);
    const left = state.until - this.#options.clock.monotonic();
    if (left > 0) throw new CircuitOpen(last, left);
    return 'trial';
  }

  /** A call is made. Throws where none may be. */
  enter(): void {
    if (this.expectWay() === 'closed' || this.#state.kind === 'closed') return;
    const { pauseMs, last } = this.#state;
    this.#state = { kind: 'half-open', pauseMs, last };
  }

  answered(): void {
    if (this.#state.kind !== 'closed') this.#options.onChange?.('closed');
    this.#state = { kind: 'closed', outages: 0 };
  }

  /** A call that succeeded without its service, a wrap with a public key: it neither opens nor closes. */
  wasNotAsked(): void {
    this.#learntNothing();
  }

  /** Counts a failure. A caller who gave up says nothing about the service, but must not keep the way blocked. */
  failed(error: unknown, signal: AbortSignal): void {
    if (error instanceof KmsError && error.fault.kind === 'data') this.#learntNothing();
    else if (error instanceof KmsError && error.fault.kind !== 'outage') this.answered();
    else if (isNoAnswer(error) && !gaveUp(signal)) this.#outage(error.details);
    else if (this.#state.kind === 'half-open') this.#open(this.#state.pauseMs, this.#state.last);
  }

  /** The next call is let through in the place of this one. */
  #learntNothing(): void {
    if (this.#state.kind !== 'half-open') return;
    const { pauseMs, last } = this.#state;
    this.#state = { kind: 'open', until: this.#options.clock.monotonic(), pauseMs, last };
  }

  #outage(last: KmsErrorDetails): void {
    const state = this.#state;
    if (state.kind === 'half-open') this.#open(Math.min(2 * state.pauseMs, this.#longestPauseMs), last);
    else if (state.kind === 'closed' && state.outages + 1 < threshold) {
      this.#state = { kind: 'closed', outages: state.outages + 1 };
    } else if (state.kind === 'closed') {
      this.#open(firstPauseMs, last);
      this.#options.onChange?.('open');
    }
  }

  #open(pauseMs: number, last: KmsErrorDetails): void {
    const jittered = pauseMs * (1 - this.#options.random() / 3);
    this.#state = { kind: 'open', until: this.#options.clock.monotonic() + jittered, pauseMs, last };
  }
}

function isNoAnswer(error: unknown): error is KmsError {
  return error instanceof KmsError && error.fault.kind === 'outage' && error.fault.reason === 'KEY_SERVICE_UNAVAILABLE';
}

/** The deadline of an attempt is the service's silence; any other reason is somebody's who stopped waiting. */
function gaveUp(signal: AbortSignal): boolean {
  return signal.aborted && !(signal.reason instanceof DeadlinePassed);
}
