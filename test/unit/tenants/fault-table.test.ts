/**
 * Every cell of the table of faults in process, over a clock that is moved by hand: what the caller gets, what the tenant
 * is afterwards, what is cached, and how often the key's service was called for it.
 */
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import type { Tenant } from '../../../src/tenants/tenant.ts';
import { AnsweringKey } from '../../support/answering-key.ts';
import {
  type AnswerKind,
  allCells,
  answerKinds,
  type Calls,
  type Cell,
  cacheStates,
  canaryCalls,
  nameOf,
  outcomeOf,
  questionsOf,
  tenantStates,
  whyImpossible,
} from '../../support/fault-cells.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

/** Attempts of one call, where there are more than one. */
const attempts: Partial<Record<AnswerKind, number>> = { reset: 4, internal: 4, throttled: 4, hang: 2 };
/** Lives of an entry and of the trust in a silent key, and the time limit of a call, in milliseconds. */
const [ttlMs, shortTtlMs, unprovenMs, timeoutMs] = [1_000_000, 80_000, 60_000, 2_000];
/** An entry of this age is due for renewal, and no canary is, for longer than a call takes with all its attempts. */
const dueMs = 955_000;

/** How long what nobody waits for goes on after the call, in milliseconds. */
const settleMs: Partial<Record<AnswerKind, number>> = { reset: 900, internal: 900, throttled: 2_000, hang: 4_100 };

interface World {
  readonly key: AnsweringKey;
  readonly engine: WatchedEngine;
  readonly tenant: Tenant;
  readonly wrappedDek: Buffer;
}

/** A tenant in the state of a cell, whose data key was made by its key service. */
async function worldOf({ tenant: state, cache }: Cell): Promise<World> {
  const key = new AnsweringKey('cmk-a');
  const engine = new WatchedEngine();
  const serve = (ttl: number, isUnproven = state === 'unproven') =>
    engine.watch({
      current: key,
      more: `
  cache_config: { ttl_seconds: ${ttl / 1000} }
  canary: { interval_seconds: ${isUnproven ? 10 : 60} }
  limits: { max_unproven_seconds: ${isUnproven ? unprovenMs / 1000 : 86_400}, kms_timeout_ms: ${timeoutMs} }`,
    });
  if (state === 'unproven') return await unprovenWorld(cache, { key, engine, serve });
  const tenant = serve(cache === 'off' ? 0 : ttlMs);
  const { wrappedDek } = await engine.generate('a', { source: 2 });
  if (cache === 'absent') engine.cache.clear(tenant.id, 'removed');
  if (cache === 'due') await engine.pass(dueMs, 5_000);
  if (cache === 'expired') await engine.pass(ttlMs + 1_000, 5_000);
  if (state === 'refused') {
    key.answer = 'disabled';
    expect(await resultOf(engine, wrappedDek)).toBe('KEY_DISABLED');
  }
  return { key, engine, tenant, wrappedDek };
}

async function unprovenWorld(
  cache: Cell['cache'],
  { key, engine, serve }: Pick<World, 'key' | 'engine'> & { serve: (ttl: number) => Tenant },
): Promise<World> {
  const tenant = serve(cache === 'expired' ? shortTtlMs : ttlMs);
  const { wrappedDek } = await engine.generate('a', { source: 2 });
  key.answer = 'reset';
  if (cache === 'absent') {
    engine.cache.clear(tenant.id, 'removed');
    key.answer = 'ok';
    // Where nothing is cached nobody asks for a proof, so something else is.
    await engine.generate('a', { source: 2, context: { purpose: 'else' } });
    key.answer = 'reset';
  }
  await engine.pass(cache === 'due' ? dueMs : cache === 'expired' ? shortTtlMs + 5_000 : unprovenMs + 1_000, 1_000);
  expect((await engine.describe('a')).state).toEqual({ kind: 'active', reason: 'KEY_UNPROVEN' });
  // A tenant without a cache needs no proof: only a change of its file leaves one unproven.
  return { key, engine, tenant: cache === 'off' ? serve(0) : tenant, wrappedDek };
}

async function resultOf(engine: WatchedEngine, wrappedDek: Buffer): Promise<string> {
  try {
    using _answer = await engine.during(engine.unwrap('a', wrappedDek));
    return 'ok';
  } catch (error) {
    if (error instanceof KeyproxyError) return error.reason;
    throw error;
  }
}

/** Lets everything happen that follows from the call, and the canary's next question where the cell has one. */
async function follow({ tenant, answer }: Cell, { key, engine }: World): Promise<void> {
  if (tenant === 'active') return await engine.pass(settleMs[answer] ?? 0, 100).then(settled);
  const before = key.callCount;
  for (let ms = 0; ms < 10_000 && key.callCount === before; ms += 50) await engine.pass(50, 50);
  await settled();
  if (answer === 'hang') await engine.pass(timeoutMs, 100);
}

function callsDue(cell: Cell): Calls {
  const { tenant, cache, answer } = cell;
  const { isUnwrapped, isCanaryAsked } = questionsOf(cell);
  // One was made in the first interval, where there was one.
  const isMade = tenant !== 'unproven' && (cache === 'due' || cache === 'expired');
  const contexts = tenant === 'unproven' && cache === 'absent' ? 2 : 1;
  const canary = isCanaryAsked ? canaryCalls(answer, isMade, contexts) : { unwrap: 0, generate: 0 };
  return { unwrap: (isUnwrapped ? (attempts[answer] ?? 1) : 0) + canary.unwrap, generate: canary.generate };
}

function isCached({ engine, tenant, wrappedDek }: World): boolean {
  return engine.cache.some(tenant.id, ({ entries }) => entries.some((entry) => wrappedDek.includes(entry.ciphertext)));
}

describe('the table of faults', () => {
  it('has every combination of tenant, cache and answer, and a reason for each that there cannot be', () => {
    expect(new Set(allCells.map(nameOf)).size).toBe(tenantStates.length * cacheStates.length * answerKinds.length);
    expect(allCells).toHaveLength(3 * 5 * 12);
    const impossible = allCells.filter((cell) => whyImpossible(cell) !== undefined);
    expect(impossible).toHaveLength(2 * answerKinds.length);
  });

  it.each(allCells.filter((cell) => whyImpossible(cell) === undefined).map((cell) => [nameOf(cell), cell] as const))(
    'is right about a tenant, its cache and the answer: %s',
    async (_name, cell) => {
      const world = await worldOf(cell);
      const { engine, key, wrappedDek } = world;
      const before = { ...key.calls };
      key.answer = cell.answer;
      const result = await resultOf(engine, wrappedDek);
      await follow(cell, world);
      const { kind, ...rest } = (await engine.describe('a')).state;
      const described = [kind, ...Object.values(rest)].join(' ');
      const calls = { unwrap: key.calls.unwrap - before.unwrap, generate: key.calls.generate - before.generate };
      expect({ result, described, isCached: isCached(world), ...calls }).toEqual({
        ...outcomeOf(cell),
        ...callsDue(cell),
      });
      // What is not in the cache is nowhere.
      expect(key.handedOut.filter(({ length }) => length > 0)).toHaveLength(engine.cache.count());
    },
  );

  it.each(allCells.filter((cell) => whyImpossible(cell) !== undefined).map((cell) => [nameOf(cell), cell] as const))(
    'leaves nothing in the cache of a tenant that was refused, so that there is no cell: %s',
    async (_name, cell) => {
      const { engine, key, tenant, wrappedDek } = await worldOf({ ...cell, tenant: 'active' });
      key.answer = 'disabled';
      await engine.during(engine.generate('a', { source: 2 }).catch(() => {}));
      key.answer = cell.answer;
      expect(await resultOf(engine, wrappedDek)).toBe('KEY_DISABLED');
      expect(engine.cache.count(tenant.id)).toBe(0);
    },
  );
});
