/** Calls that are still open near the end of a drain are told why they end, instead of being cut off. */
import type { Clock } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';

/** A call that can be asked to end. */
export interface OpenCall {
  abort(reason: unknown): void;
}

/**
 * Time before the end of a drain at which calls that still wait are told why, in milliseconds: some for the last of
 * them, and some for each, since thousands of statuses take their writers and readers seconds.
 */
const [lastWordMs, lastWordPerCallMs] = [250, 0.4];

/** The most of a drain that this may take away from the calls. */
const lastWordShare = 0.5;

/** When a caller who was told to come again may find another daemon in place, in milliseconds. */
const restartMs = 1000;

/** Tells the calls that are still open near the end of the grace that it ends; the fewer they are, the later. */
export function lastWord(
  open: ReadonlySet<OpenCall>,
  { graceMs, clock }: { graceMs: number; clock: Clock },
): Disposable {
  const end = clock.monotonic() + graceMs;
  let timer: Disposable | undefined;
  const tellOrWait = () => {
    const needed = Math.min(graceMs * lastWordShare, lastWordMs + open.size * lastWordPerCallMs);
    const wait = end - needed - clock.monotonic();
    if (wait > 0) timer = clock.after(wait, tellOrWait);
    else for (const call of open) call.abort(new KeyproxyError('SHUTTING_DOWN', { retryAfterMs: restartMs }));
  };
  tellOrWait();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}
