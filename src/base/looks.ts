/** Looks at something again and again, for what the system's notices miss. */
import type { Clock, Timer } from './clock.ts';

export interface LooksOptions {
  readonly clock: Clock;
  /** Time before the first look, in milliseconds. */
  readonly firstMs: number;
  /** Resolves to the time before the next look, in milliseconds. Must not reject. `signal`: nobody wants it any more. */
  readonly look: (signal: AbortSignal) => Promise<number>;
}

/** Looks, one look at a time, until it is disposed of. */
export function keepLooking({ clock, firstMs, look }: LooksOptions): Disposable {
  const controller = new AbortController();
  const { signal } = controller;
  let timer: Timer | undefined;
  const later = (milliseconds: number) => {
    if (signal.aborted) return;
    timer = clock.after(milliseconds, () => void look(signal).then(later));
  };
  later(firstMs);
  return {
    [Symbol.dispose]() {
      controller.abort(new Error('the watch is over'));
      timer?.[Symbol.dispose]();
    },
  };
}
