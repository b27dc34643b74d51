/** The tables that the bench prints, and whether every target was met. */
import type { FootprintResult } from './footprint.ts';
import type { ThroughputResult } from './throughput.ts';

/** Least share of its core that a server takes while its throughput means something (issue: at least 95 %). */
const leastBusy = 0.95;

/** What a measured figure is worth. */
export interface Verdict {
  readonly name: string;
  readonly isMet: boolean;
  readonly why: string;
}

/** One verdict a method: the ratio, both servers saturated, both counts equal, no call failed. */
export function throughputVerdicts(results: readonly ThroughputResult[]): Verdict[] {
  return results.map(({ name, target, ratio, floor, keyproxy, clientOk, serverOk, failed }) => {
    const wrong = [
      ratio < target && `ratio ${figure(ratio)} is below ${target}`,
      !(Math.min(floor.busy, keyproxy.busy) >= leastBusy) && 'a server did not have its core to itself',
      clientOk !== serverOk && `the client counted ${clientOk} OK answers, the servers ${serverOk}`,
      failed > 0 && `${failed} calls failed`,
    ].filter((text) => text !== false);
    return { name, isMet: wrong.length === 0, why: wrong.join('; ') };
  });
}

/** One verdict a figure that has a target. */
export function footprintVerdicts(results: readonly FootprintResult[]): Verdict[] {
  return results.flatMap(({ name, target, ratio }) =>
    target === undefined
      ? []
      : [{ name, isMet: ratio <= target, why: ratio <= target ? '' : `${figure(ratio)} times, ${target} at most` }],
  );
}

/** The figures of both servers, a line each. */
export function throughputTable(results: readonly ThroughputResult[]): string {
  const lines = results.flatMap(({ name, target, ratio, processorRatio, floor, keyproxy, clientOk, serverOk }) => [
    `${name}: ${figure(ratio)} of the floor (target ${target}; by processor time ${figure(processorRatio)}), ` +
      `OK by client ${clientOk}, by servers ${serverOk}`,
    ...[
      { who: 'floor', ...floor },
      { who: 'keyproxy', ...keyproxy },
    ].map(
      ({ who, callsPerSecond, p50, p99, busy }) =>
        `  ${who.padEnd(9)} ${figure(callsPerSecond).padStart(7)} calls/s   ` +
        `p50 ${figure(p50).padStart(5)} ms   p99 ${figure(p99).padStart(5)} ms   core ${figure(busy * 100)} % busy`,
    ),
  ]);
  return lines.join('\n');
}

/** Start and memory, a line each. */
export function footprintTable(results: readonly FootprintResult[]): string {
  return results
    .map(
      ({ name, unit, target, floor, keyproxy, ratio }) =>
        `${name}: keyproxy ${figure(keyproxy)} ${unit}, floor ${figure(floor)} ${unit}: ${figure(ratio)} times` +
        (target === undefined ? '' : ` (${target} at most)`),
    )
    .join('\n');
}

/** Three digits that count. */
function figure(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
