/**
 * What a connection has left to read waits here, so that one peer's flood is not in the way of the others: a turn of the
 * event loop serves one of those who wait, in their order, and in between come all who have little to say.
 */

const waiting: (() => void)[] = [];

/** Calls `run` once, in a later turn. It must not throw. */
export function laterTurn(run: () => void): void {
  waiting.push(run);
  if (waiting.length === 1) setImmediate(next);
}

function next(): void {
  const run = waiting.shift();
  if (waiting.length > 0) setImmediate(next);
  run?.();
}
