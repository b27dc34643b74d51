/**
 * Retries of calls to a key service: outages only, with full jitter, inside one budget of time. A refusal, a fault of
 * the data or of the configuration would only be repeated; an ambiguous fault is the canary's to clear.
 */
import { type Backoff, fullJitter } from '../base/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Slot } from './call-budget.ts';
import { CircuitOpen } from './circuit-breaker.ts';
import { startDeadline } from './deadline.ts';
import { decorated } from './decorated.ts';
import { KmsError } from './fault.ts';
import type { KeyService } from './key-service.ts';

/** How long a call and its attempts may take. */
export interface RetryOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one attempt may take, in milliseconds. All of them, pauses included, have twice this time from the first on. */
  readonly timeoutMs: number;
  /** Asked before each attempt for the right to make it; throws a `KmsError` where it may not be made. */
  readonly admit?: (signal: AbortSignal) => Promise<Slot>;
}

/** Pauses after an outage of any other kind. */
const outageBackoff: Backoff = { baseMs: 50, capMs: 1_000 };
/** Pauses after throttling: the quota is the customer's own, and refills by the second. */
const throttledBackoff: Backoff = { baseMs: 500, capMs: 5_000 };

/** Most attempts: beyond that, the cold calls of an outage would add up against the customer's quota. */
const maxAttempts = 4;

/** An attempt with less of its time than this says nothing about the service where that time ends it. */
const tellingShare = 0.5;

/** The time of all attempts has ended one that had hardly begun. */
class OutOfTime extends Error {
  constructor() {
    super('the time of all attempts is over');
    this.name = 'OutOfTime';
  }
}

/** How much longer than one attempt all of them together may take. */
const budgetFactor = 2;

/**
 * Calls `attempt` until it succeeds, fails with anything but an outage, was tried four times, or the budget would be
 * over before the next attempt; the last fault is the one that is thrown. The budget begins with the first attempt, not
 * with the wait for the right to make it; a repetition waits for that inside it. Each attempt gets a signal of its own, which
 * ends after `timeoutMs`, when the budget ends, and when `options.signal` is aborted; it has to end with it, in a
 * `KmsError`.
 */
export async function callWithRetry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions & { readonly signal: AbortSignal },
): Promise<T> {
  const { clock, timeoutMs, signal } = options;
  let end = Number.POSITIVE_INFINITY;
  let said: unknown;
  for (let failures = 0; ; failures++) {
    using slot = await (failures === 0
      ? options.admit?.(signal)
      : turn(options, end).catch((error) => fail(isOutage(error) ? said : error)));
    const now = clock.monotonic();
    end = Math.min(end, now + budgetFactor * timeoutMs);
    const timeMs = Math.min(timeoutMs, end - now);
    const isTelling = timeMs >= timeoutMs * tellingShare;
    using deadline = startDeadline(clock, timeMs, signal, isTelling ? undefined : new OutOfTime());
    try {
      return await attempt(deadline.signal);
    } catch (error) {
      if (!isTelling && deadline.signal.aborted && !signal.aborted) throw said;
      if (error instanceof CircuitOpen) {
        slot?.giveBack();
        // What an attempt that was made ended with says more than that another was not made.
        throw said ?? error;
      }
      said = error;
      const wait = delayAfter(error, failures, options.random);
      const isLast = failures + 1 >= maxAttempts;
      if (wait === undefined || isLast || signal.aborted || clock.monotonic() + wait >= end) throw error;
      slot?.[Symbol.dispose]();
      deadline[Symbol.dispose]();
      // An abort ends the pause; what the call failed with says more than that it was given up.
      await pause(clock, wait, signal).catch(() => fail(error));
    }
  }
}

/** The right to try again, where it comes before `end`; rejects where it does not. */
async function turn(
  { clock, signal, admit }: RetryOptions & { readonly signal: AbortSignal },
  end: number,
): Promise<Slot | undefined> {
  using limit = startDeadline(clock, end - clock.monotonic(), signal);
  return await admit?.(limit.signal);
}

function isOutage(error: unknown): boolean {
  return error instanceof KmsError && error.fault.kind === 'outage';
}

function fail(error: unknown): never {
  throw error;
}

/** Milliseconds until the next attempt, or undefined where there is to be none. */
function delayAfter(error: unknown, failures: number, random: () => number): number | undefined {
  if (!(error instanceof KmsError) || error.fault.kind !== 'outage') return undefined;
  const { reason, retryAfterMs } = error.fault;
  const backoff = reason === 'KEY_SERVICE_THROTTLED' ? throttledBackoff : outageBackoff;
  // Retry-After is a floor; jitter on top of it keeps those who were told the same from coming back together.
  return (retryAfterMs ?? 0) + fullJitter(backoff, failures, random);
}

/** The same key service with retries, so that whoever calls it sees one port. Takes `service` over. */
export function withRetries(service: KeyService, options: RetryOptions): KeyService {
  return decorated(service, (_operation, signal, call) => callWithRetry(call, { ...options, signal }));
}
