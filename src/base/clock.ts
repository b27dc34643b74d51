/** The one home of time. Everything that waits or ages takes a `Clock`, so that tests can move it. */

/** A scheduled call that can be taken back. */
export interface Timer extends Disposable {}

export interface Clock {
  /** Wall-clock time in milliseconds since 1970, for what people read. */
  now(): number;
  /** Milliseconds of a clock that never jumps, for ages and deadlines. */
  monotonic(): number;
  /** Calls `run` once after `milliseconds`, at most 24.8 days of them; does not keep the process alive. */
  after(milliseconds: number, run: () => void): Timer;
}

/** The largest delay that Node's timers hold without overflow, about 24.8 days. */
const longestDelay = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, Math.min(Math.max(milliseconds, 0), longestDelay));
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Waits `milliseconds`, or rejects with the signal's reason as soon as it is aborted. */
export function pause(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    if (signal?.aborted) {
      fail(signal.reason);
      return;
    }
    const abort = () => {
      timer[Symbol.dispose]();
      fail(signal?.reason);
    };
    const timer = clock.after(milliseconds, () => {
      signal?.removeEventListener('abort', abort);
      done();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
