/** Answers for as long as they are wanted: a stream that only waits must not outlive its caller, nor the daemon. */
import { untilAborted } from '../base/until-aborted.ts';

/**
 * Yields what `answers` yields; throws the signal's reason as soon as it is aborted, even while `answers` waits. An answer
 * that comes after that is disposed of.
 */
export async function* whileWanted<T extends Disposable>(
  answers: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const iterator = answers[Symbol.asyncIterator]();
  try {
    for (;;) {
      const coming = iterator.next();
      const next = await untilAborted(coming, signal).catch((reason) => {
        coming.then(drop, () => {});
        throw reason;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: it may wait for a caller who says nothing any more. Nobody is left to tell of its failure.
    iterator.return?.()?.catch(() => {});
  }
}

function drop<T extends Disposable>(late: IteratorResult<T>): void {
  if (late.done !== true) late.value[Symbol.dispose]();
}
