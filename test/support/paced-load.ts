/**
 * A load of so many calls a second, whatever becomes of them: a call begins when it is due, not when another has ended,
 * so that a slow server meets the queue that it would meet in production. It knows nothing of what is called.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface PacedLoad {
  /** Calls per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Most calls in flight: one that is due beyond it begins late, and its time counts from when it was due. */
  readonly maxInFlight: number;
  /**
   * Makes the call of this number, counted from 0, and resolves with its outcome, a number from 0 to 255 that its maker
   * gives a meaning. What it rejects with ends the load: failures that are expected are outcomes.
   */
  readonly call: (index: number) => Promise<number>;
}

/** What became of each call, by its number; times as `performance.now()` has them. */
export interface CallRecords {
  readonly due: Float64Array;
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly outcome: Uint8Array;
  /** How many calls had this outcome. */
  count(outcome: number): number;
  /** The milliseconds, counted from when each was due, that this share of the calls took at most: 0.5 for the median. */
  quantile(share: number): number;
}

/** Runs the load and resolves when its last call has ended. */
export async function runPaced(load: PacedLoad): Promise<CallRecords> {
  const { rate, seconds, maxInFlight, call } = load;
  const total = Math.floor(rate * seconds);
  const [due, start, end] = [new Float64Array(total), new Float64Array(total), new Float64Array(total)];
  const outcome = new Uint8Array(total);
  const inFlight = new Set<Promise<void>>();
  const begin = (index: number) => {
    start[index] = performance.now();
    const ended = call(index).then((result) => {
      end[index] = performance.now();
      outcome[index] = result;
      inFlight.delete(ended);
    });
    // Whoever waits for it is told of a failure; nobody has to be waiting yet.
    ended.catch(() => {});
    inFlight.add(ended);
  };
  const first = performance.now();
  for (let index = 0; index < total; index++) {
    const at = first + (index * 1000) / rate;
    due[index] = at;
    for (let wait = at - performance.now(); wait > 0; wait = at - performance.now()) await sleep(wait);
    while (inFlight.size >= maxInFlight) await Promise.race(inFlight);
    begin(index);
  }
  await Promise.all(inFlight);
  return {
    ...{ due, start, end, outcome },
    count: (wanted) => outcome.reduce((sum, each) => sum + (each === wanted ? 1 : 0), 0),
    quantile(share) {
      const times = end.map((each, index) => each - (due[index] ?? 0)).sort();
      return times[Math.min(total - 1, Math.floor(total * share))] ?? Number.NaN;
    },
  };
}
