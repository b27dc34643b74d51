/** The tables that the bench prints, and whether every target was met. */
import type { ContestResult, Standing, TargetResult } from './contest.ts';
import type { FootprintResult } from './footprint.ts';
import type { ThroughputResult } from './throughput.ts';

/** Least share of its core that a server takes while its throughput means something (issue: at least 95 %). */
const leastBusy = 0.95;
/** Greatest share of its core that a load generator takes while it is the server that is measured. */
const mostClientBusy = 0.9;

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

/** One verdict a target: the ratio, and that the figures of both mean something. */
export function contestVerdicts(results: readonly ContestResult[]): Verdict[] {
  return results.flatMap(({ name, standings, targets }) =>
    targets.flatMap((target) => {
      const { of, over, ratio, atLeast } = target;
      if (atLeast === undefined) return [];
      const two = standings.filter((standing) => standing.name === of || standing.name === over);
      const wrong = two.flatMap((standing) => flaws(standing).map((flaw) => `${standing.name} ${flaw}`));
      if (ratio < atLeast) wrong.unshift(`ratio ${figure(ratio)} is below ${atLeast}`);
      return [{ name: `${name}: ${of} over ${over}`, isMet: wrong.length === 0, why: wrong.join('; ') }];
    }),
  );
}

/** Why the figures of an entrant mean nothing. */
function flaws(standing: Standing): string[] {
  if (standing.absent !== undefined) return [`is absent: ${standing.absent}`];
  const { busy, clientBusy, clientOk, serverOk, failed, short } = standing;
  return [
    !(busy >= leastBusy) && 'did not have its core to itself',
    !(clientBusy <= mostClientBusy) && 'is client-bound: h2load was busy itself',
    clientOk !== serverOk && `counted ${serverOk} OK answers, h2load ${clientOk}`,
    failed > 0 && `failed ${failed} calls`,
    short !== 0 && `left out bytes of ${short} answers`,
  ].filter((text) => text !== false);
}

/** The figures of all entrants, a line each, and their ratios. */
export function contestTable(results: readonly ContestResult[]): string {
  const lines = results.flatMap(({ name, standings, targets }) => [
    name,
    ...standings.map(standingLine),
    ...targets.map(targetLine),
  ]);
  return lines.join('\n');
}

function standingLine(standing: Standing): string {
  const who = `  ${`${standing.name} ${standing.version ?? ''}`.padEnd(15)}`;
  if (standing.absent !== undefined) return `${who} ${standing.absent}`;
  const { callsPerSecond, cpuPerCall, p50, p99, rss, busy, clientBusy, clientOk, serverOk } = standing;
  return [
    `${who} ${figure(callsPerSecond).padStart(7)} calls/s`,
    `CPU ${figure(cpuPerCall).padStart(5)} µs/call`,
    `p50 ${figure(p50).padStart(5)} ms`,
    `p99 ${figure(p99).padStart(5)} ms`,
    `RSS ${figure(rss).padStart(5)} MiB`,
    `core ${figure(busy * 100)} % busy, h2load's ${figure(clientBusy * 100)} %`,
    `OK by h2load ${clientOk}, by server ${serverOk}`,
  ].join('   ');
}

function targetLine({ of, over, atLeast, ratio, processorRatio }: TargetResult): string {
  const demanded = atLeast === undefined ? 'no target' : `target ${atLeast}`;
  return `  ${of} over ${over}: ${figure(ratio)} (${demanded}; by processor time ${figure(processorRatio)})`;
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
