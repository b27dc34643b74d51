/**
 * The load generator's process: keeps calls in flight over several connections for a while, and reports to its parent
 * over IPC. The window that is measured lies inside the load, so that neither its start nor its end is in the figures;
 * the totals cover every call, so that they can be held against the server's own count.
 *
 * An answer counts as OK when its trailers are, byte for byte, those of a first call, and its length is the expected
 * one. That the first call was an OK is known by the parent, from a checked call and from the server's count.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ending, LoadConnection, type Target } from './connection.ts';
import { grpcMessage } from './frames.ts';

/** What the parent asks for; comes as JSON in the first argument. */
export interface LoadOrder {
  readonly socket: string;
  readonly path: string;
  /** The request message, base64. */
  readonly request: string;
  /** Length of the answer's message in bytes. */
  readonly answerBytes: number;
  readonly connections: number;
  /** Calls in flight on each. */
  readonly streams: number;
  /** Load before the window, in seconds. */
  readonly warmUp: number;
  /** Length of the window, in seconds. */
  readonly seconds: number;
}

/** What the parent is told. */
export type LoadReport =
  | { readonly kind: 'begin' | 'end' }
  | {
      readonly kind: 'done';
      /** Calls that ended OK, and others, from the first to the last. */
      readonly ok: number;
      readonly failed: number;
      /** Calls that ended OK within the window, and how long it was. */
      readonly windowOk: number;
      readonly windowSeconds: number;
      /** Milliseconds of calls that ended within the window. */
      readonly p50: number;
      readonly p99: number;
    };

class Tally {
  ok = 0;
  failed = 0;
  isRunning = true;
  /** Times within the window, in milliseconds; absent outside of it. */
  times: number[] | undefined;
  readonly #answerLength: number;
  #trailers: Buffer | undefined;

  constructor(answerBytes: number) {
    this.#answerLength = answerBytes + 5;
  }

  add({ trailers, bytes, milliseconds }: Ending): void {
    this.#trailers ??= trailers;
    const isOk = trailers !== undefined && this.#trailers?.equals(trailers) && bytes === this.#answerLength;
    if (isOk) {
      this.ok += 1;
      this.times?.push(milliseconds);
    } else this.failed += 1;
  }
}

/** Runs the order and tells `report`. */
async function run(order: LoadOrder, report: (message: LoadReport) => void): Promise<void> {
  const body = grpcMessage(Buffer.from(order.request, 'base64'));
  const target: Target = { socket: order.socket, path: order.path, body };
  const tally = new Tally(order.answerBytes);
  const connections = await Promise.all(
    Array.from({ length: order.connections }, async () => {
      const connection: LoadConnection = await LoadConnection.open(target, (ending) => {
        tally.add(ending);
        if (tally.isRunning) connection.start(1);
      });
      return connection;
    }),
  );
  for (const connection of connections) connection.start(order.streams);
  await sleep(order.warmUp * 1000);
  const times: number[] = [];
  tally.times = times;
  const start = performance.now();
  report({ kind: 'begin' });
  await sleep(order.seconds * 1000);
  tally.times = undefined;
  const windowSeconds = (performance.now() - start) / 1000;
  report({ kind: 'end' });
  tally.isRunning = false;
  for (let tries = 0; tries < 500 && connections.some(({ inFlight }) => inFlight > 0); tries++) await sleep(10);
  for (const connection of connections) connection.close();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  const { ok, failed } = tally;
  report({ kind: 'done', ok, failed, windowOk: times.length, windowSeconds, p50: at(0.5), p99: at(0.99) });
}

if (import.meta.main) {
  // Written by the parent, bench/throughput.ts.
  await run(JSON.parse(process.argv[2] ?? '') as LoadOrder, (message) => process.send?.(message));
  process.disconnect?.();
}
