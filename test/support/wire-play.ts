/** Plays one cell of the table of faults over the wire, and tells what was seen. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import type { KeyProxyClient } from './client.ts';
import { toldBy } from './client-errors.ts';
import { type Cell, type CellOutcome, outcomeOf } from './fault-cells.ts';
import {
  dueEntries,
  dueRate,
  dueTtl,
  give,
  timeoutOf,
  type WireCalls,
  type WireCell,
  wireCallsDue,
} from './wire-cells.ts';

/** What was seen of a cell; calls are those of its one Unwrap and what followed from it. */
export interface Seen extends CellOutcome, WireCalls {}

/** For calls that are due and do not come, in milliseconds. */
const patienceMs = 3_000;
/** After so long without a call a cell is over, in milliseconds: less than any pause before a canary asks again. */
const quietMs = 350;

/** Brings a cell about and plays it. */
export async function playCell(wire: WireCell, aws: AwsSimulator, client: KeyProxyClient): Promise<Seen> {
  const { cell, key } = wire;
  const tenant_id = wire.tenant.id;
  const made = await makeEntries(wire, client);
  const [first] = made;
  if (first === undefined) throw new Error('no data key was made');
  const unwrap = (wrapped_dek: Buffer): Promise<string> =>
    client.call('Unwrap', { tenant_id, wrapped_dek }).then(
      () => 'ok',
      (error: ServiceError) => toldBy(error).reason,
    );
  const describe = () => client.call<Described>('DescribeTenant', { tenant_id });
  if (cell.cache === 'expired') while ((await describe()).cache_entries > 0) await sleep(50);
  if (cell.tenant === 'refused') {
    key.disable();
    const reason = await unwrap(first);
    if (reason !== 'KEY_DISABLED') throw new Error(`${tenant_id} was to be refused: ${reason}`);
  }
  if (cell.cache === 'due') await sleep((dueTtl / 2 - dueEntries / dueRate) * 1000);
  const count = callsOf(aws, wire);
  give(wire, aws);
  const { result, probe } =
    cell.cache === 'due' ? await firstDue(made, unwrap, count) : { result: await unwrap(first), probe: first };
  await untilQuiet(cell, count);
  const seen = count();
  const described = await untilDescribed(describe, outcomeOf(cell).described);
  const { cache_hits } = await describe();
  // What could not be unwrapped was not cached either.
  const isOpen = result === 'ok' && (await unwrap(probe)) === 'ok';
  const isCached = isOpen && Number((await describe()).cache_hits) === Number(cache_hits) + 1;
  return { result, described, isCached, ...seen };
}

interface Described {
  readonly state: string;
  readonly reason: string;
  readonly cache_entries: number;
  readonly cache_hits: number;
}

/** What the tenant is said to be, once that is what it is due to be, or will not come to be it. */
async function untilDescribed(describe: () => Promise<Described>, due: string): Promise<string> {
  for (const deadline = performance.now() + patienceMs; ; await sleep(20)) {
    const { state, reason } = await describe();
    const described = [state.replace('TENANT_STATE_', '').toLowerCase(), reason].join(' ').trim();
    if (described === due || performance.now() > deadline) return described;
  }
}

async function makeEntries({ cell, tenant }: WireCell, client: KeyProxyClient): Promise<Buffer[]> {
  const made: Buffer[] = [];
  const number = cell.cache === 'due' ? dueEntries : cell.cache === 'absent' ? 2 : 1;
  for (let i = 0; i < number; i++) {
    made.push((await client.call<{ wrapped_dek: Buffer }>('GenerateDEK', { tenant_id: tenant.id })).wrapped_dek);
  }
  return made;
}

/** Uses one entry after the other until one is renewed for it. */
async function firstDue(
  made: readonly Buffer[],
  unwrap: (wrapped: Buffer) => Promise<string>,
  count: () => Pick<Seen, 'unwrap' | 'assumeRole'>,
): Promise<{ result: string; probe: Buffer }> {
  const deadline = performance.now() + dueTtl * 1000;
  for (let i = 0; performance.now() < deadline; i++) {
    const probe = made[i % made.length];
    if (probe === undefined) break;
    const result = await unwrap(probe);
    await sleep(25);
    const { unwrap: unwraps, assumeRole } = count();
    if (result !== 'ok' || unwraps + assumeRole > 0) return { result, probe };
  }
  throw new Error('no entry became due');
}

/** Counts what reaches the simulator for this key and its role from now on. */
function callsOf(aws: AwsSimulator, { key, tenant }: WireCell): () => WireCalls {
  const from = aws.calls.length;
  return () => {
    const calls = aws.calls.slice(from);
    const of = (operation: string) =>
      calls.filter(
        (call) =>
          call.operation === operation && (call.keyArn === key.arn || call.roleSessionName?.includes(tenant.id)),
      ).length;
    return {
      unwrap: of('Decrypt'),
      generate: of('GenerateDataKey'),
      describeKey: of('DescribeKey'),
      assumeRole: of('AssumeRole'),
    };
  };
}

/** Waits until the calls have come that a cell leads to, and no more of them come. */
async function untilQuiet(cell: Cell, count: () => WireCalls): Promise<void> {
  const [due, deadline] = [wireCallsDue(cell), performance.now() + 2 * timeoutOf(cell.answer) + patienceMs];
  const isThere = (now: WireCalls) =>
    now.unwrap >= due.unwrap &&
    now.generate >= due.generate &&
    now.describeKey >= due.describeKey &&
    now.assumeRole >= due.assumeRole;
  while (!isThere(count()) && performance.now() < deadline) await sleep(10);
  for (let [last, since] = [JSON.stringify(count()), performance.now()]; performance.now() - since < quietMs; ) {
    await sleep(10);
    const now = JSON.stringify(count());
    if (now !== last) [last, since] = [now, performance.now()];
  }
}
