/** Keys in use are fetched anew before their time is over: by the key service alone, and never against its no. */
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };

const ttlSeconds = 1_000;
/** With chance in its middle: three fifths of the 8 % of its life. */
const dueSeconds = ttlSeconds - 48;

/** A tenant with one data key that was opened at the beginning. */
async function world() {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key, more: `  cache_config: { ttl_seconds: ${ttlSeconds} }` });
  const { wrappedDek } = await engine.generate('a', { source: 2 });
  const unwraps = () => engine.calls.filter((call) => call.startsWith('unwrap'));
  const maxAge = async () => {
    using opened = await engine.unwrap('a', wrappedDek);
    return opened.maxAgeSeconds;
  };
  /** Until `second` of its life, asked for all the time or not at all. */
  const until = async (second: number, { inUse = true, stepMs = 1_000 } = {}) => {
    while (engine.clock.monotonic() < second * 1_000) {
      await engine.pass(stepMs, stepMs);
      if (inUse) await maxAge();
      await settled();
    }
  };
  return { key, engine, wrappedDek, unwraps, maxAge, until };
}

describe('a data key', () => {
  it('that is in use is renewed once before its end, and nobody waits for it', async () => {
    const { unwraps, until } = await world();
    await until(dueSeconds - 1);
    expect(unwraps()).toEqual([]);
    await until(dueSeconds + 1);
    expect(unwraps()).toEqual(['unwrap ok']);
    await until(ttlSeconds + 100);
    expect(unwraps()).toEqual(['unwrap ok']);
  });

  it('that is not in use is left to end', async () => {
    const { engine, key, unwraps, until } = await world();
    await until(dueSeconds - 1);
    await until(ttlSeconds + 2, { inUse: false });
    expect(unwraps()).toEqual([]);
    expect(engine.evictions).toEqual(['expired']);
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });

  it('that was renewed lives for its whole time from then on, and no longer', async () => {
    const { engine, maxAge, unwraps, until } = await world();
    await until(dueSeconds - 1);
    expect(await maxAge()).toBe(ttlSeconds - dueSeconds + 1);
    await until(dueSeconds);
    expect(await maxAge()).toBe(ttlSeconds);
    await until(dueSeconds + ttlSeconds - 1, { inUse: false });
    expect(engine.cache.count()).toBe(1);
    await engine.pass(2_000);
    expect(engine.cache.count()).toBe(0);
    expect(unwraps()).toEqual(['unwrap ok']);
  });

  it('is the same one after a renewal, and the one before is wiped', async () => {
    const { engine, key, wrappedDek, until } = await world();
    using before = await engine.unwrap('a', wrappedDek);
    const bytes = before.plaintext.reveal().toString('hex');
    await until(dueSeconds + 1);
    using after = await engine.unwrap('a', wrappedDek);
    expect(after.plaintext.reveal().toString('hex')).toBe(bytes);
    expect(engine.evictions).toEqual(['replaced']);
    expect(key.handedOut[0]?.length).toBe(0);
  });

  it('that comes back as another one is not put in the place of the one that there is', async () => {
    const { engine, key, maxAge, until } = await world();
    await until(dueSeconds - 1);
    key.corrupts = true;
    await until(dueSeconds + 1);
    expect(await maxAge()).toBe(ttlSeconds - dueSeconds - 1);
    expect(engine.evictions).toEqual([]);
  });
});

describe('a renewal that fails', () => {
  it.each([
    { what: 'silence', fault: silent, most: 12 },
    { what: 'throttling', fault: throttled, most: 72 },
  ])('by $what changes nothing, and is tried again at most $most times before the end', async ({ fault, most }) => {
    const { engine, key, maxAge, until, unwraps } = await world();
    await until(dueSeconds - 1);
    key.fault = fault;
    await until(ttlSeconds - 2, { stepMs: 100 });
    expect(await maxAge()).toBe(2);
    expect(unwraps().length).toBeLessThanOrEqual(most);
    expect(unwraps().length).toBeGreaterThan(4);
    expect(new Set(unwraps())).toEqual(new Set(['unwrap outage']));
    expect(engine.evictions).toEqual([]);
  });

  it('is made good by the next one, as soon as the service is well', async () => {
    const { engine, key, maxAge, until } = await world();
    await until(dueSeconds - 1);
    key.fault = silent;
    await until(dueSeconds + 5);
    key.fault = undefined;
    await until(ttlSeconds - 10);
    expect(await maxAge()).toBeGreaterThan(ttlSeconds - 40);
    expect(engine.evictions).toEqual(['replaced']);
  });

  it('lengthens no life: where the service stays silent, the end is where it was', async () => {
    const { engine, key, wrappedDek, until } = await world();
    await until(dueSeconds - 1);
    key.fault = silent;
    await until(ttlSeconds - 1);
    await engine.pass(1_000);
    expect((await engine.during(rejection(engine.unwrap('a', wrappedDek)))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(engine.evictions).toEqual(['expired']);
  });

  it('by a refusal of this one takes it out of the cache, and nothing else', async () => {
    const { engine, key, wrappedDek, until } = await world();
    await until(dueSeconds - 2);
    key.retireVersion();
    const { ciphertext } = await engine.encrypt('a', 'under the version of today');
    await until(dueSeconds, { inUse: false });
    (await engine.unwrap('a', wrappedDek))[Symbol.dispose]();
    await engine.pass(2_000);
    expect(engine.evictions).toEqual(['refused']);
    expect(engine.changes).toEqual([]);
    expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('KEY_DISABLED');
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('under the version of today');
  });

  it('by a no that comes while it is under way puts nothing back', async () => {
    const { engine, key, wrappedDek, unwraps, until } = await world();
    await until(dueSeconds - 1);
    const letGo = key.hold();
    await until(dueSeconds);
    key.gate = undefined;
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'x', { context: { purpose: 'new' } }));
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 1 wiped']);
    key.fault = undefined;
    letGo();
    await settled();
    expect(unwraps()).toHaveLength(1);
    expect(engine.cache.count()).toBe(0);
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
    expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('KEY_DISABLED');
  });

  it('by a tenant that is replaced while it is under way puts nothing back', async () => {
    const { engine, key, until } = await world();
    await until(dueSeconds - 1);
    const letGo = key.hold();
    await until(dueSeconds);
    engine.watch({ current: new FakeKeyService('cmk-b') });
    letGo();
    await settled();
    expect(engine.cache.count()).toBe(0);
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });
});

describe('a root', () => {
  it('that is in use is replaced by a new one, and what went under the old one opens without a call', async () => {
    const { engine } = await world();
    const { ciphertext } = await engine.encrypt('a', 'under the first');
    const roots = () => engine.calls.filter((call) => call.startsWith('generate'));
    const before = roots().length;
    let ages: number[] = [];
    for (let second = 0; second < dueSeconds + 1; second += 1) {
      await engine.pass(1_000);
      const derived = await engine.generate('a');
      derived.plaintext?.[Symbol.dispose]();
      ages = [...ages, derived.maxAgeSeconds];
    }
    expect(roots()).toHaveLength(before + 1);
    expect(Math.min(...ages)).toBe(ttlSeconds - dueSeconds);
    expect(ages.at(-1)).toBe(ttlSeconds);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('under the first');
    // It is due for renewal, which comes behind.
    expect(engine.events.findLast((event) => event.startsWith('a decrypt '))).toBe('a decrypt hit');
  });
});
