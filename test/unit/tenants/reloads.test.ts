/** What a change of a tenant's file does to the watch of its keys, and what it must not do. */
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const intervalMs = 60_000;

describe('a tenant that was replaced', () => {
  it('does not take the watch over where its keys are opened late: the canary goes on with those of today', async () => {
    const [before, today] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-a')];
    const engine = new WatchedEngine();
    const older = engine.watch({ current: before });
    engine.watch({ current: today, more: '  dek: { source: kms }' });
    const { ciphertext } = await engine.encrypt('a', 'x');
    engine.provide(before);
    await older.keys();
    today.fault = disabled;
    await engine.pass(intervalMs);
    expect(before.callCount).toBe(0);
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
  });

  it('sends those away who wait in line for a key that is closed', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new WatchedEngine();
    const tenant = engine.watch({ current: key, more: '  limits: { kms_calls_per_second: 1 }' });
    await engine.encrypt('a', 'x');
    const waiting = rejection(engine.encrypt('a', 'y', { context: { purpose: 'slow' } }));
    await settled();
    const calls = key.callCount;
    await tenant[Symbol.asyncDispose]();
    expect((await waiting).reason).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(key.callCount).toBe(calls);
  });
});

it('a refused key that becomes the current one takes all data keys of the tenant along', async () => {
  const [current, retired] = [new FakeKeyService('cmk-b'), new FakeKeyService('cmk-r')];
  const engine = new WatchedEngine();
  engine.watch({ current: retired });
  const old = await engine.generate('a', { source: 2 });
  engine.watch({ current, retired: [retired] });
  const { id } = engine.watch({ current, retired: [retired] });
  await engine.encrypt('a', 'x');
  engine.cache.clear(id, 'removed', (value) => value.openedBy.keyId === 'cmk-r');
  retired.fault = disabled;
  await rejection(engine.unwrap('a', old.wrappedDek));
  expect(engine.cache.count(id)).toBe(2);
  engine.watch({ current: retired, retired: [current] });
  expect(engine.cache.count(id)).toBe(0);
});

describe('the canary', () => {
  it('is asked no more often than its back-off allows where doubt is followed by silence', async () => {
    for (const after of ['KEY_SERVICE_UNAVAILABLE', 'KEY_SERVICE_THROTTLED'] as const) {
      const key = new FakeKeyService('cmk-a');
      const engine = new WatchedEngine();
      engine.watch({ current: key });
      await engine.encrypt('a', 'x');
      await engine.pass(intervalMs);
      key.fault = { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' };
      await engine.pass(intervalMs);
      key.fault = { kind: 'outage', reason: after };
      key.isMute = true;
      const before = key.callCount;
      await engine.pass(10 * intervalMs, 100);
      expect(key.callCount - before).toBeLessThanOrEqual(20);
    }
  });

  it('that a no asks for is asked within a second, also right after a yes', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new WatchedEngine();
    const { current } = engine.watch({ current: key });
    await engine.encrypt('a', 'x');
    await current.ask();
    await engine.pass(200, 100);
    key.fault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    await engine.pass(1_000, 100);
    expect(engine.changes).toEqual(['cmk-a refused KEY_ACCESS_DENIED, 2 wiped']);
  });
});

it('a policy that denies the canary and one context of several takes no tenant down', async () => {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key });
  key.deniedContexts.add('keyproxy-canary');
  const first = await engine.encrypt('a', 'x', { context: { app: 'a', a: '1' } });
  await engine.encrypt('a', 'x', { context: { app: 'b', b: '1' } });
  key.deniedContexts.add('b');
  expect((await rejection(engine.generate('a', { source: 2, context: { app: 'b', b: '1' } }))).reason).toBe(
    'KEY_ACCESS_DENIED',
  );
  await engine.pass(3 * intervalMs);
  expect(engine.changes).toEqual([]);
  expect((await engine.decrypt('a', first.ciphertext)).plaintext.toString()).toBe('x');
});

it('what a replica opened is opened by the current key again where the replica has been silent for too long', async () => {
  const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
  const engine = new WatchedEngine();
  const { id } = engine.watch({ current: key, replicas: [replica], more: '  limits: { max_unproven_seconds: 600 }' });
  const made = await engine.generate('a', { source: 2 });
  engine.cache.clear(id, 'removed');
  key.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
  expect((await engine.during(engine.unwrap('a', made.wrappedDek))).key.keyId).toBe('cmk-b');
  key.fault = undefined;
  replica.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
  await engine.pass(700_000, 5_000);
  expect(engine.changes).toContain('cmk-b unproven');
  expect((await engine.during(engine.unwrap('a', made.wrappedDek))).key.keyId).toBe('cmk-a');
  const calls = key.callCount;
  await engine.unwrap('a', made.wrappedDek);
  expect(key.callCount).toBe(calls);
});

describe('a replica that stood in and has been silent for too long since', () => {
  const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

  async function world() {
    const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
    const engine = new WatchedEngine();
    engine.watch({ current: key, replicas: [replica], more: '  limits: { max_unproven_seconds: 600 }' });
    key.fault = silent;
    const written = await engine.during(engine.encrypt('a', 'x'));
    expect(written.key.keyId).toBe('cmk-b');
    key.fault = undefined;
    replica.fault = silent;
    await engine.pass(700_000, 5_000);
    expect(engine.changes).toContain('cmk-b unproven');
    return { key, engine, written };
  }

  it('keeps no new data from the current key', async () => {
    const { engine } = await world();
    expect((await engine.during(engine.encrypt('a', 'y'))).key.keyId).toBe('cmk-a');
  });

  it('costs the current key no call for data that it alone can open', async () => {
    const { key, engine, written } = await world();
    const before = key.callCount;
    for (let i = 0; i < 20; i++) {
      expect((await rejection(engine.decrypt('a', written.ciphertext))).reason).toBe('KEY_UNPROVEN');
    }
    expect(key.callCount).toBe(before);
  });
});
