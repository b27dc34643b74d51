/**
 * What a day costs at the customers' key services, in calls and in money: simulated traffic of a fleet, the engine whole
 * and real, key services in memory, the clock moved by hand. Beside it stands the least number of calls by which the
 * same requests could have been answered.
 *
 *     traffic    each node gets requests at random moments, for tenants by Zipf's law; each tenant has one context, a
 *                root key that every fifth request encrypts under, and four wrapped data keys that the others unwrap
 *     day 1      each key comes into use at a random moment: nodes run for long, and not all was fetched at midnight
 *     day 2      is what counts
 *     least      a request makes a call exactly where none was made for its key, on its node, within the time to live
 *
 * Chance is seeded, so the figures are the same on every machine.
 */
import { type FakeEngine, usualSettings } from '../test/support/fake-engine.ts';
import { FakeKeyService } from '../test/support/fake-key-service.ts';
import { seededRandom } from '../test/support/seeded-random.ts';
import { SpreadEngine } from '../test/support/spread-engine.ts';
import { settled, WatchedEngine } from '../test/support/watched-engine.ts';
import type { Verdict } from './report.ts';

const nodes = 100;
/** All nodes are alike, so some of them tell of all. */
const simulatedNodes = 30;
const tenants = 1_000;
const requestsPerNodeDay = 25_000;
/** Canaries cost a call per tenant and minute, whatever the traffic: millions on one node. */
const simulatedWithCanaries = 1;
/** The root and the wrapped data keys of one tenant. */
const keysPerTenant = 5;
const [dayMs, hourMs] = [86_400_000, 3_600_000];
const { cacheTtlMs } = usualSettings;
/** AWS KMS, symmetric keys: https://aws.amazon.com/kms/pricing */
const usdPerCall = 0.03 / 10_000;
const daysOfMonth = 30;
/** How much more than the least the engine may call where no canary is asked. */
const mostRatio = 1.1;

/** Tenants by their place in the order of traffic, the first included and the last not. */
const groups: readonly { readonly name: string; readonly from: number; readonly to: number }[] = [
  { name: 'tenants 1 to 10', from: 0, to: 10 },
  { name: 'tenants 11 to 100', from: 10, to: 100 },
  { name: 'tenants 101 to 1000', from: 100, to: 1000 },
  { name: 'all', from: 0, to: tenants },
];

/** Calls of the second day, of the whole fleet. */
export interface CallsResult {
  readonly name: string;
  readonly least: number;
  readonly made: number;
  readonly withCanaries: number;
}

/** Calls by tenant. */
type Counts = Float64Array;

interface Request {
  readonly atMs: number;
  readonly tenant: number;
  /** 0 for the root. */
  readonly key: number;
}

/** What all nodes share: the key services, and the data keys that were wrapped somewhere else before. */
interface World {
  readonly services: readonly FakeKeyService[];
  readonly wrapped: readonly (readonly Buffer[])[];
}

/** Simulates both, with canaries and without; about a minute and a half for each. */
export async function measureCalls(): Promise<CallsResult[]> {
  const world = await newWorld();
  const least = new Float64Array(tenants);
  const made = new Float64Array(tenants);
  for (let node = 0; node < simulatedNodes; node++) {
    countLeast(node, least);
    await simulate(node, { world, counts: made, engine: unwatched(node, world) });
  }
  const canaries = new Float64Array(tenants);
  for (let node = 0; node < simulatedWithCanaries; node++) {
    await simulate(node, { world, counts: canaries, engine: watchedWith(node, world) });
  }
  return groups.map(({ name, from, to }) => {
    const ofFleet = (counts: Counts, simulated: number) =>
      (counts.subarray(from, to).reduce((sum, count) => sum + count, 0) * nodes) / simulated;
    return {
      name,
      least: ofFleet(least, simulatedNodes),
      made: ofFleet(made, simulatedNodes),
      withCanaries: ofFleet(canaries, simulatedWithCanaries),
    };
  });
}

/** Calls a day and their price, a line for each group of tenants. */
export function callsTable(results: readonly CallsResult[]): string {
  const cells = ({ name, least, made, withCanaries }: CallsResult) => [
    name,
    whole(least),
    whole(made),
    (made / least).toFixed(3),
    whole(withCanaries),
    monthly(least),
    monthly(made),
    monthly(withCanaries),
  ];
  const heads = ['calls a day', 'least', 'made', 'ratio', 'with canaries', 'USD/month: least', 'made', 'with canaries'];
  const lines = [heads, ...results.map(cells)].map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(20) : cell.padStart(heads[i]?.length ?? 0).padStart(10))).join('  '),
  );
  return [
    `Calls to key services: ${nodes} nodes, ${whole(tenants)} tenants, ${whole(requestsPerNodeDay)} requests a node and day`,
    `(simulated: ${simulatedNodes} nodes, with canaries ${simulatedWithCanaries}; the figures are multiplied up to ${nodes})`,
    ...lines,
  ].join('\n');
}

/** Whether the engine, canaries aside, calls little more than it has to, for tenants with much traffic and with little. */
export function callsVerdicts(results: readonly CallsResult[]): Verdict[] {
  return results.map(({ name, least, made }) => {
    const isMet = made <= mostRatio * least;
    const why = `${(made / least).toFixed(3)} times the least, ${mostRatio} at most`;
    return { name: `calls of a day, ${name}`, isMet, why: isMet ? '' : why };
  });
}

function whole(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

function monthly(callsADay: number): string {
  return (callsADay * daysOfMonth * usdPerCall).toLocaleString('en-US', { maximumFractionDigits: 2 });
}

/** The requests of one node in two days, in order; the same whenever it is asked. */
function* traffic(node: number): Iterable<Request> {
  const random = seededRandom(node + 1);
  const cumulative: number[] = [];
  for (let rank = 1; rank <= tenants; rank++) cumulative.push((cumulative.at(-1) ?? 0) + 1 / rank);
  const total = cumulative.at(-1) ?? 1;
  const beginsAt = Array.from({ length: tenants * keysPerTenant }, () => random() * dayMs);
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - random()) * dayMs) / requestsPerNodeDay;
    if (atMs >= 2 * dayMs) return;
    const tenant = firstAtLeast(cumulative, random() * total);
    const key = Math.floor(random() * keysPerTenant);
    if (atMs >= (beginsAt[tenant * keysPerTenant + key] ?? 0)) yield { atMs, tenant, key };
  }
}

function firstAtLeast(ascending: readonly number[], wanted: number): number {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Fetching when there is no other way is the least: each call covers all that follows within the time to live. */
function countLeast(node: number, counts: Counts): void {
  const fetchedAt = new Float64Array(tenants * keysPerTenant).fill(Number.NEGATIVE_INFINITY);
  for (const { atMs, tenant, key } of traffic(node)) {
    const index = tenant * keysPerTenant + key;
    if (atMs - (fetchedAt[index] ?? 0) < cacheTtlMs) continue;
    fetchedAt[index] = atMs;
    if (atMs >= dayMs) counts[tenant] = (counts[tenant] ?? 0) + 1;
  }
}

async function newWorld(): Promise<World> {
  const services = Array.from({ length: tenants }, (_, tenant) => new FakeKeyService(`cmk-${tenant}`));
  const elsewhere = unwatched(simulatedNodes, { services });
  const wrapped: Buffer[][] = [];
  for (let tenant = 0; tenant < tenants; tenant++) {
    const own: Buffer[] = [];
    for (let key = 1; key < keysPerTenant; key++) {
      own.push((await elsewhere.generate(nameOf(tenant), { source: 2 })).wrappedDek);
    }
    wrapped.push(own);
  }
  return { services, wrapped };
}

function unwatched(node: number, { services }: Pick<World, 'services'>): FakeEngine {
  const engine = new SpreadEngine(node + 1);
  for (const [tenant, service] of services.entries()) engine.serve(nameOf(tenant), [service]);
  return engine;
}

function watchedWith(node: number, { services }: World): FakeEngine {
  const engine = new WatchedEngine({ random: seededRandom(node + 1) });
  for (const [tenant, current] of services.entries()) engine.watch({ id: nameOf(tenant), current });
  return engine;
}

function nameOf(tenant: number): string {
  return `tenant-${tenant}`;
}

/** Runs one node for two days, and adds the calls of the second to `counts`. */
async function simulate(
  node: number,
  { world, counts, engine }: { world: World; counts: Counts; engine: FakeEngine },
): Promise<void> {
  const count = (sign: 1 | -1) => {
    for (const [tenant, { callCount }] of world.services.entries()) {
      counts[tenant] = (counts[tenant] ?? 0) + sign * callCount;
    }
  };
  let hour = 0;
  for (const request of traffic(node)) {
    while (hour < Math.floor(request.atMs / hourMs)) {
      hour++;
      await moveOn(engine, hour * hourMs);
      forget(engine, world);
      if (hour * hourMs === dayMs) count(-1);
    }
    await moveOn(engine, request.atMs);
    await answer(engine, world, request);
  }
  await moveOn(engine, 2 * dayMs);
  count(1);
}

/** In steps that let the answers in: a clock moves at once, promises take their turns. */
async function moveOn(engine: FakeEngine, atMs: number): Promise<void> {
  const { clock } = engine;
  if (!(engine instanceof WatchedEngine)) {
    clock.advance(atMs - clock.monotonic());
    return;
  }
  while (clock.monotonic() < atMs) {
    clock.advance(Math.min(1_000, atMs - clock.monotonic()));
    await settled();
  }
}

async function answer(engine: FakeEngine, { services, wrapped }: World, { tenant, key }: Request): Promise<void> {
  const tenantId = nameOf(tenant);
  const before = services[tenant]?.callCount;
  const wrappedDek = wrapped[tenant]?.[key - 1];
  if (wrappedDek === undefined) await engine.encrypt(tenantId, '');
  else (await engine.unwrap(tenantId, wrappedDek))[Symbol.dispose]();
  // A renewal goes on behind the caller's back.
  if (services[tenant]?.callCount !== before) await settled();
}

/** What stand-ins keep for tests to look at would fill the memory. */
function forget(engine: FakeEngine, { services }: World): void {
  for (const { handedOut, contexts } of services) {
    handedOut.length = 0;
    contexts.length = 0;
  }
  engine.events.length = 0;
  engine.evictions.length = 0;
  if (engine instanceof WatchedEngine) engine.calls.length = 0;
}
