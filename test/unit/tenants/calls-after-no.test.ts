/** What is on its way when the customer says no: nothing more is called, and nothing of the key stays. */
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };

function world(more = '') {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  const tenant = engine.watch({ current: key, more });
  return { key, engine, tenant };
}

describe('a no', () => {
  it('ends calls that wait for another attempt: no call but the canary is made for a refused key', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.fault = throttled;
    const waiting = rejection(engine.encrypt('a', 'y', { context: { purpose: 'slow' } }));
    await settled();
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'z', { context: { purpose: 'new' } }));
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    const before = engine.calls.length;
    await engine.pass(5_000, 100);
    expect((await waiting).reason).toBe('KEY_DISABLED');
    expect(engine.calls.slice(before).filter((call) => !call.startsWith('canary'))).toEqual([]);
  });

  it('ends calls that wait for their turn: those behind the limit are not made for a refused key', async () => {
    const { key, engine, tenant } = world('  limits: { kms_calls_per_second: 1 }');
    await engine.encrypt('a', 'x');
    const waiting = rejection(engine.encrypt('a', 'y', { context: { purpose: 'slow' } }));
    await settled();
    key.fault = disabled;
    await tenant.current.ask();
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    const before = engine.calls.length;
    await engine.pass(3_000, 100);
    expect((await waiting).reason).toBe('KEY_DISABLED');
    expect(engine.calls.slice(before).filter((call) => !call.startsWith('canary'))).toEqual([]);
  });

  it('wipes a key also while its renewal is under way', async () => {
    const { key, engine } = world('  cache_config: { ttl_seconds: 1000 }');
    const { wrappedDek } = await engine.generate('a', { source: 2 });
    const [cached] = key.handedOut;
    await engine.pass(960_000, 10_000);
    key.hold();
    (await engine.unwrap('a', wrappedDek))[Symbol.dispose]();
    await settled();
    key.gate = undefined;
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'z', { context: { purpose: 'new' } }));
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 1 wiped']);
    expect(cached?.length).toBe(0);
  });
});
