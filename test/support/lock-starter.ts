/** A process of its own that tries to take a lock at a given millisecond, and gives it back when it is asked to. */
import { type LockAttempt, takeLock } from '../../src/base/socket-lock.ts';

/** What the starter is told: take the lock at `path` at `at`, milliseconds since 1970, or give back what it has. */
export type StarterOrder = { readonly path: string; readonly at: number } | 'give_back';

let attempt: LockAttempt | undefined;

process.on('message', async (order: StarterOrder) => {
  if (order === 'give_back') {
    if (attempt?.kind === 'held') await attempt.lock[Symbol.asyncDispose]();
    process.send?.('given_back');
    return;
  }
  while (Date.now() < order.at);
  attempt = await takeLock(order.path);
  process.send?.(attempt.kind);
});
process.send?.('up');
