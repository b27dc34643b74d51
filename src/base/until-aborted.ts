/** Waiting that a caller can give up, while what it waits for goes on for others. */

/** Waits for `promise`, but no longer than until `signal` is aborted; then rejects with the signal's reason. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((done, fail) => {
    const abort = () => fail(signal.reason);
    promise.then(done, fail).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
