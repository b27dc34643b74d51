/** Answers for as long as they are wanted: a stream that only waits must not outlive its caller, nor the daemon. */
import { untilAborted } from '../base/until-aborted.ts';

/** Yields what `answers` yields; throws the signal's reason as soon as it is aborted, even while `answers` waits. */
export async function* whileWanted<T>(answers: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = answers[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await untilAborted(iterator.next(), signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: it may wait for a caller who says nothing any more. Nobody is left to tell of its failure.
    iterator.return?.()?.catch(() => {});
  }
}
