/** One signal out of two reasons to stop: whoever asked gave up, or a time has passed. */
import type { Clock } from '../base/clock.ts';

/** A signal with a time limit. Dispose of it when the work has ended, so that its timer does not outlive it. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/** What the signal of a `Deadline` carries as its reason once the time has passed. */
export class DeadlinePassed extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${Math.round(milliseconds)} ms`);
    this.name = 'DeadlinePassed';
  }
}

/**
 * Starts a deadline of `milliseconds` on `clock`, which also ends when `outer` is aborted, with its reason. `passed` is
 * the reason where the time has passed; a `DeadlinePassed` where it is not given.
 */
export function startDeadline(clock: Clock, milliseconds: number, outer?: AbortSignal, passed?: Error): Deadline {
  const controller = new AbortController();
  const timer = clock.after(milliseconds, () => controller.abort(passed ?? new DeadlinePassed(milliseconds)));
  const follow = () => controller.abort(outer?.reason);
  if (outer?.aborted) follow();
  else outer?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      outer?.removeEventListener('abort', follow);
    },
  };
}
