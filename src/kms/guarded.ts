/**
 * One key's service with all that protects it and those who wait for it: a limit of calls, a circuit breaker, retries,
 * time limits. Three ways lead to it; the same limit and the same breaker stand in front of all of them.
 *
 *     live         for callers who wait: repeated after an outage, cut short while the service is silent
 *     background   the same, behind those who wait
 *     canary       whether the key may still be used: once, at once, also where the breaker is open
 */
import type { Clock } from '../base/clock.ts';
import { CallBudget, type Slot, type Urgency } from './call-budget.ts';
import { type BreakerOptions, CircuitBreaker, telling, withBreaker } from './circuit-breaker.ts';
import { startDeadline } from './deadline.ts';
import { decorated } from './decorated.ts';
import type { KeyService } from './key-service.ts';
import { withRetries } from './retry.ts';

/** A key's service by the way that leads to it. Disposing of it, or of `live` or `background`, closes the service. */
export interface GuardedKey extends AsyncDisposable {
  readonly live: KeyService;
  readonly background: KeyService;
  readonly canary: KeyService;
}

/** How a key's service is protected. */
export interface GuardOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly callsPerSecond: number;
  /** Calls under way at a time. */
  readonly concurrency: number;
  /** Throws a `KmsError` where no call may be made that is not the canary's. */
  readonly expectUsable?: () => void;
  readonly breaker?: Pick<BreakerOptions, 'longestPauseMs' | 'onChange'>;
}

/**
 * How much longer than an attempt a call waits in line: it has to learn what became of those ahead of it, since their
 * silence sends it to a replica, and a wait that is too long does not.
 */
const patience = 1.25;

/** Guards `services`: what live and background calls go to, and what the canary's do. Takes both over. */
export function guarded(
  services: { readonly calls: KeyService; readonly canary: KeyService },
  options: GuardOptions,
): GuardedKey {
  const { clock, random, timeoutMs, callsPerSecond, concurrency, expectUsable = () => {} } = options;
  const { calls } = services;
  const breaker = new CircuitBreaker({ clock, random, ...options.breaker });
  const budget = new CallBudget({
    ...{ provider: calls.provider, clock, callsPerSecond, concurrency },
    maxWaitMs: timeoutMs * patience,
  });
  const close = async () => {
    budget[Symbol.dispose]();
    await calls[Symbol.asyncDispose]();
  };
  const behind = decorated(withBreaker(calls, breaker), (_operation, signal, call) => call(signal), close);
  const way = (urgency: Urgency): KeyService => {
    const admit = async (signal: AbortSignal): Promise<Slot> => {
      expectUsable();
      // Nobody stands in line for a service that is known to be silent.
      breaker.expectWay();
      const slot = await budget.enter(urgency, signal);
      try {
        // The customer may have said no meanwhile.
        expectUsable();
        return slot;
      } catch (error) {
        slot.giveBack();
        slot[Symbol.dispose]();
        throw error;
      }
    };
    return withRetries(behind, { clock, random, timeoutMs, admit });
  };
  const canary = decorated(telling(services.canary, breaker), async (_operation, signal, call) => {
    using _slot = budget.enterAtOnce();
    using deadline = startDeadline(clock, timeoutMs, signal);
    return await call(deadline.signal);
  });
  return {
    live: way('live'),
    background: way('background'),
    canary,
    [Symbol.asyncDispose]: close,
  };
}
