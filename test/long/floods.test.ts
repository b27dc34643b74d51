/**
 * The table of floods: what each reached, how the daemon ended it, what it held, and what a well-behaved neighbour in a
 * process of its own felt of it, beside what it feels without, and beside what it feels when another daemon on the same
 * machine has the flood: all of them share its cores, and only the rest is the daemon's. `KEYPROXY_FLOOD_SECONDS` makes
 * it shorter, for trying.
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAttacker } from '../support/flood-processes.ts';
import { type FloodResult, type FloodScene, floodScene, isDue, isExpected } from '../support/flood-scene.ts';
import { type Flood, floodOf, floods } from '../support/floods.ts';

/** What a neighbour's 99th percentile may be, as a multiple of that without a flood here. */
const bound = 3;
/** Rounds at most: their median counts, and a machine with other work needs more than one. */
const mostRounds = 3;
const floodSeconds = Number(process.env['KEYPROXY_FLOOD_SECONDS'] ?? 10);
const measure = { rate: 500, quietSeconds: floodSeconds, floodSeconds, patienceSeconds: floodSeconds + 20 };
const mebibyte = 2 ** 20;
/** What the daemon may hold beside what belongs to connections, and what it may take with all of its garbage, in bytes. */
const [slack, mostResident] = [16 * mebibyte, 768 * mebibyte];

let scene: FloodScene;
const say = (text: string) => process.stdout.write(`${text}\n`);
beforeAll(async () => {
  say(heading);
  scene = await floodScene();
});
afterAll(() => scene[Symbol.asyncDispose]());

test.for(floods)('under a flood, $name, the neighbour waits at most three times as long', async (flood) => {
  const rounds: FloodResult[] = [];
  do rounds.push(await scene.run(flood, measure));
  while (rounds.length < mostRounds && median(rounds.map(ratioOf)) > bound);
  for (const round of rounds) say(rowOf(flood, round));
  for (const { report, held, peak, wrong } of rounds) {
    expect(wrong).toBe(0);
    expect(Object.keys(report.ends).filter((end) => !isExpected(flood.end, end))).toEqual([]);
    if (isDue(flood, measure)) expect(report.ends).not.toEqual({});
    expect(held).toBeLessThan(slack + flood.connections * flood.heldMiB * mebibyte);
    expect(peak).toBeLessThan(mostResident);
  }
  expect(median(rounds.map(ratioOf))).toBeLessThanOrEqual(bound);
});

test('a peer that reads nothing is cut off after a minute', async () => {
  const flood = floodOf('slow reader');
  await using attacker = await startAttacker(scene.daemon.socket.slice('unix:'.length), flood);
  await sleep(50_000);
  expect((await attacker.report()).ends).toEqual({});
  await sleep(20_000);
  expect((await attacker.report()).ends).toEqual({ 'no last word': flood.connections });
});

const ratioOf = ({ quietP99, elsewhereP99, floodP99 }: FloodResult) => floodP99 / Math.max(quietP99, elsewhereP99);

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const columns = [36, 10, 8, 7, 9, 9, 9, 7, 8, 8, 6] as const;
const titles = [
  'flood',
  'frames/s',
  'MB/s',
  'conns',
  'quiet ms',
  'other ms',
  'flood ms',
  'times',
  'held',
  'peak',
  'load',
];
const heading = `${line(titles)}  ended by`;

function line(cells: readonly string[]): string {
  return cells.map((cell, at) => (at === 0 ? cell.padEnd(columns[0]) : cell.padStart(columns[at] ?? 0))).join('');
}

function rowOf({ name }: Flood, result: FloodResult): string {
  const { report, seconds, quietP99, elsewhereP99, floodP99, held, peak } = result;
  const cells = [
    name,
    Math.round(report.frames / seconds).toString(),
    (report.bytes / seconds / 1e6).toFixed(1),
    report.connections.toString(),
    quietP99.toFixed(2),
    elsewhereP99.toFixed(2),
    floodP99.toFixed(2),
    ratioOf(result).toFixed(1),
    `${(held / mebibyte).toFixed(0)} MiB`,
    `${(peak / mebibyte).toFixed(0)} MiB`,
    (loadavg()[0] ?? 0).toFixed(1),
  ];
  return `${line(cells)}  ${JSON.stringify(report.ends)}`;
}
