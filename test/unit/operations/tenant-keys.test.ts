/** Where keys come from: the life of a root, and one call for all who wait, each as long as it likes. */
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { contextFor } from '../../../src/operations/context.ts';
import { maxUsesOfRoot } from '../../../src/operations/tenant-keys.ts';
import { FakeEngine, pairs, rejection, unreadRecord } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const dayMs = 86_400_000;
const settled = () => new Promise((done) => setImmediate(done));
const late = () => new KeyproxyError('DEADLINE_EXCEEDED');

function world(settings: { cacheTtlMs?: number; rotationMs?: number; cacheMaxEntries?: number } = {}) {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  const tenant = engine.serve('a', [key], settings);
  const root = () => {
    const { signal } = new AbortController();
    const context = contextFor(tenant.id, pairs());
    return engine.engine.keys.root({ tenant, context, operation: 'encrypt', signal, record: unreadRecord() });
  };
  return { key, engine, tenant, root };
}

describe('a root', () => {
  it('counts its uses: each message and each derived key is one', async () => {
    const { engine, root } = world();
    await engine.encrypt('a', 'x');
    await engine.generate('a');
    using inUse = await root();
    expect(inUse.key.uses).toBe(3);
  });

  it('serves its last message, and the next one goes under another', async () => {
    const { engine, key, root } = world();
    {
      using inUse = await root();
      inUse.key.uses = maxUsesOfRoot - 1;
    }
    const last = await engine.encrypt('a', 'last');
    expect(key.calls.generate).toBe(1);
    const next = await engine.encrypt('a', 'next');
    expect(key.calls.generate).toBe(2);
    expect(engine.evictions).toEqual(['used_up']);
    const texts = [await engine.decrypt('a', last.ciphertext), await engine.decrypt('a', next.ciphertext)];
    expect(texts.map(({ plaintext }) => plaintext.toString())).toEqual(['last', 'next']);
    expect(key.calls.unwrap).toBe(0);
  });

  it('is asked for once when many find it used up at the same time, and no hit is counted for it', async () => {
    const { engine, key, root } = world();
    {
      using inUse = await root();
      inUse.key.uses = maxUsesOfRoot;
    }
    engine.events.length = 0;
    await Promise.all([1, 2, 3].map(() => engine.encrypt('a', 'x')));
    expect(key.calls.generate).toBe(2);
    expect(engine.events.filter((event) => event.startsWith('a encrypt'))).toEqual([
      'a encrypt miss',
      'a encrypt coalesced',
      'a encrypt coalesced',
    ]);
  });

  it('ends at its rotation although the cache would keep it longer', async () => {
    const { engine, key } = world({ rotationMs: 90 * dayMs, cacheTtlMs: 365 * dayMs });
    await engine.encrypt('a', 'x');
    engine.clock.sleep(90 * dayMs - 1);
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(1);
    engine.clock.advance(1);
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(2);
    expect(engine.evictions).toEqual(['used_up']);
  });

  it('ends at the time to live, and is wiped though nobody asks', async () => {
    const { engine, key } = world({ cacheTtlMs: 60_000 });
    await engine.encrypt('a', 'x');
    engine.clock.advance(61_000);
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(2);
  });

  it('does not live past one message where caching is off', async () => {
    const { engine, key } = world({ cacheTtlMs: 0 });
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.decrypt('a', ciphertext);
    expect(key.calls).toEqual({ generate: 1, wrap: 0, unwrap: 1 });
    expect(key.handedOut.map(({ length }) => length)).toEqual([0, 0]);
    expect(engine.cache.count()).toBe(0);
  });
});

describe('concurrent calls', () => {
  it('make one call of a thousand for a cold key, and all succeed', async () => {
    const { engine, key } = world();
    const { wrappedDek, plaintext } = await engine.generate('a');
    const other = new FakeEngine();
    other.serve('a', [key]);
    const open = key.hold();
    const calls = Array.from({ length: 1000 }, () => other.unwrap('a', wrappedDek));
    await settled();
    open();
    const opened = await Promise.all(calls);
    expect(key.calls.unwrap).toBe(1);
    expect(opened.every((answer) => plaintext?.reveal().equals(answer.plaintext.reveal()))).toBe(true);
  });

  it('are counted as one miss, the rest coalesced', async () => {
    const { engine } = world();
    await Promise.all([1, 2, 3, 4].map(() => engine.encrypt('a', 'x')));
    const answer = await engine.describe('a');
    expect([answer.cacheHits, answer.cacheMisses]).toEqual([3, 1]);
  });

  it('fail together, and the next caller asks again', async () => {
    const { engine, key } = world();
    key.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
    const failures = await Promise.all([1, 2, 3].map(() => rejection(engine.encrypt('a', 'x'))));
    expect(failures.map(({ reason }) => reason)).toEqual(Array(3).fill('KEY_SERVICE_UNAVAILABLE'));
    expect(key.calls.generate).toBe(1);
    key.fault = undefined;
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(2);
  });

  it('of different contexts do not wait for each other', async () => {
    const { engine, key } = world();
    const open = key.hold();
    const slow = engine.encrypt('a', 'slow', { context: { purpose: 'slow' } });
    await settled();
    key.gate = undefined;
    await engine.encrypt('a', 'quick', { context: { purpose: 'quick' } });
    open();
    await slow;
    expect(key.calls.generate).toBe(2);
  });
});

describe('a deadline', () => {
  it('ends the wait of its own caller only: the call goes on for the others', async () => {
    const { engine, key } = world();
    const controller = new AbortController();
    const open = key.hold();
    const hasty = engine.encrypt('a', 'x', { signal: controller.signal });
    const patient = engine.encrypt('a', 'x');
    await settled();
    controller.abort(late());
    expect((await rejection(hasty)).reason).toBe('DEADLINE_EXCEEDED');
    open();
    await patient;
    expect(key.calls.generate).toBe(1);
  });

  it('lets a late answer serve the next caller when all who waited are gone', async () => {
    const { engine, key } = world();
    const controller = new AbortController();
    const open = key.hold();
    const calls = [1, 2].map(() => rejection(engine.encrypt('a', 'x', { signal: controller.signal })));
    await settled();
    controller.abort(late());
    await Promise.all(calls);
    open();
    await settled();
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(1);
  });

  it('leaves nothing of a fresh DEK behind that nobody waits for any more', async () => {
    const { engine, key } = world();
    const controller = new AbortController();
    const open = key.hold();
    const call = rejection(engine.generate('a', { source: 2, signal: controller.signal }));
    await settled();
    controller.abort(late());
    expect((await call).reason).toBe('DEADLINE_EXCEEDED');
    open();
    await settled();
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
    expect(engine.cache.count()).toBe(0);
  });

  it('that is over before the call asks for nothing', async () => {
    const { engine, key } = world();
    expect((await rejection(engine.encrypt('a', 'x', { signal: AbortSignal.abort(late()) }))).reason).toBe(
      'DEADLINE_EXCEEDED',
    );
    expect(key.callCount).toBe(0);
  });

  it('ends the wrap of a rewrap with its own reason, not with an outage', async () => {
    const { engine, key } = world();
    const { wrappedDek } = await engine.generate('a');
    const controller = new AbortController();
    key.hold();
    const call = rejection(engine.rewrap('a', { wrappedDek }, { signal: controller.signal }));
    await settled();
    controller.abort(late());
    expect((await call).reason).toBe('DEADLINE_EXCEEDED');
  });
});

describe('a key that is evicted while a call works with it', () => {
  it('serves that call to its end and is wiped then', async () => {
    const { engine, key, root, tenant } = world();
    const inUse = await root();
    engine.cache.clear(tenant.id, 'removed');
    expect(inUse.key.dataKey.secret.reveal()).toHaveLength(32);
    inUse[Symbol.dispose]();
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
  });

  it('serves those who still wait for it when the cache is too small to keep it', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine({ maxBytes: 1 });
    engine.serve('a', [key]);
    const messages = await Promise.all([1, 2, 3].map(() => engine.encrypt('a', 'x')));
    expect(messages).toHaveLength(3);
    expect(key.calls.generate).toBe(1);
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
  });
});
