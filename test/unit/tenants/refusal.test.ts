/** The customer's no: who hears it, what it wipes, whom it leaves alone, and how it ends (PINNED section 5). */
import { describe, expect, it } from 'vitest';
import { parseTenantId } from '../../../src/base/ids.ts';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const denied: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' };
const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const intervalMs = 60_000;
const a = parseTenantId('a');

function world(more = '') {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key, more });
  return { key, engine };
}

describe('the canary', () => {
  it('hears within an interval what cache hits alone would never tell', async () => {
    const { key, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.fault = disabled;
    for (let ms = 0; ms < intervalMs; ms += 1_000) {
      if (engine.changes.length > 0) break;
      expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
      await engine.pass(1_000);
    }
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });

  it('asks once an interval while something is cached, and nobody while nothing is', async () => {
    const { key, engine } = world('  cache_config: { ttl_seconds: 300 }');
    await engine.encrypt('a', 'x');
    await engine.pass(299_000);
    // One is made and opened, the others only opened.
    expect(key.calls).toEqual({ generate: 2, wrap: 0, unwrap: 5 });
    await engine.pass(600_000);
    expect(key.calls.unwrap).toBe(5);
  });

  it('is not asked where traffic has just proved the same', async () => {
    const { key, engine } = world();
    const first = await engine.generate('a', { source: 2 });
    for (let minute = 0; minute < 10; minute++) {
      await engine.pass(30_000);
      engine.cache.clear(a, 'removed');
      await engine.unwrap('a', first.wrappedDek);
    }
    expect(engine.calls.filter((call) => call.startsWith('canary'))).toEqual([]);
    expect(key.calls.unwrap).toBe(10);
  });

  it('asks within an interval of the last proof, whatever chance says', async () => {
    for (const random of [() => 0, () => 0.999]) {
      const key = new FakeKeyService('cmk-a');
      const engine = new WatchedEngine({ random });
      engine.watch({ current: key });
      await engine.encrypt('a', 'x');
      let last = engine.clock.monotonic();
      for (let asked = 0; asked < 5; ) {
        const before = key.calls.unwrap;
        await engine.pass(100, 100);
        if (key.calls.unwrap === before) continue;
        expect(engine.clock.monotonic() - last).toBeLessThanOrEqual(intervalMs);
        last = engine.clock.monotonic();
        asked++;
      }
    }
  });

  it('takes no tenant down whose policy denies the canary, and hears the no to what was wrapped for data', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.deniedContexts.add('keyproxy-canary');
    await engine.pass(3 * intervalMs);
    expect(engine.changes).toEqual([]);
    key.fault = denied;
    await engine.pass(intervalMs);
    expect(engine.changes).toEqual(['cmk-a refused KEY_ACCESS_DENIED, 2 wiped']);
  });

  it('that was made under a version which is disabled is made anew under the current one', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.retireVersion();
    await engine.pass(3 * intervalMs);
    expect(engine.changes).toEqual([]);
    expect(engine.calls).toContain('canary refusal');
  });

  it('that comes back as another one is no proof and no refusal', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.corrupts = true;
    await engine.pass(intervalMs);
    expect(engine.changes).toEqual(expect.arrayContaining(['cmk-a unclear']));
    key.corrupts = false;
    await engine.pass(intervalMs);
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBeGreaterThan(1);
  });
});

describe('a refusal of a live call', () => {
  it('that is plainly key-wide wipes at once, and no other call is made for it', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.fault = disabled;
    expect((await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }))).reason).toBe('KEY_DISABLED');
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    const before = key.callCount;
    for (const verb of [
      () => engine.encrypt('a', 'x'),
      () => engine.generate('a'),
      () => engine.generate('a', { source: 2 }),
    ])
      expect((await rejection(verb())).reason).toBe('KEY_DISABLED');
    expect(key.callCount).toBe(before);
  });

  it('asks the canary at once, and takes the tenant down only where that is refused as well', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.fault = denied;
    expect((await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }))).reason).toBe(
      'KEY_ACCESS_DENIED',
    );
    await settled();
    expect(engine.changes).toEqual(['cmk-a refused KEY_ACCESS_DENIED, 2 wiped']);
  });

  it('of a context that the policy forbids harms nobody else, and costs at most one question a second', async () => {
    const { key, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    key.deniedContexts.add('forbidden');
    for (let i = 0; i < 50; i++) {
      expect((await rejection(engine.encrypt('a', 'y', { context: { forbidden: String(i) } }))).reason).toBe(
        'KEY_ACCESS_DENIED',
      );
      await engine.pass(100, 100);
    }
    expect(engine.changes).toEqual([]);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    expect(engine.calls.filter((call) => call.startsWith('canary')).length).toBeLessThanOrEqual(8);
  });

  it('of an entry under a retired version harms nobody else', async () => {
    const { key, engine } = world();
    const old = await engine.generate('a', { source: 2 });
    key.retireVersion();
    engine.cache.clear(a, 'removed');
    const { ciphertext } = await engine.encrypt('a', 'x');
    expect((await rejection(engine.unwrap('a', old.wrappedDek))).reason).toBe('KEY_DISABLED');
    await engine.pass(2_000);
    expect(engine.changes).toEqual([]);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });
});

describe('a call under way when the customer says no', () => {
  it('gives out nothing of what it fetched before', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'warm');
    const open = key.hold();
    const slow = rejection(engine.encrypt('a', 'x', { context: { purpose: 'slow' } }));
    await settled();
    key.gate = undefined;
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    key.fault = undefined;
    open();
    expect((await slow).reason).toBe('KEY_DISABLED');
    expect(engine.cache.count()).toBe(0);
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });

  it('is not undone by a late yes: what was asked before the no lifts nothing', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    await engine.pass(intervalMs - 5_000);
    const open = key.hold();
    await engine.pass(6_000);
    key.gate = undefined;
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    key.fault = undefined;
    open();
    await settled();
    expect((await engine.describe('a')).state).toEqual({ kind: 'refused', reason: 'KEY_DISABLED' });
  });
});

describe('service after a refusal', () => {
  it('comes back by itself, sooner at first and within an interval later', async () => {
    for (const awayMs of [500, 10 * 60_000]) {
      const { key, engine } = world();
      const { ciphertext } = await engine.encrypt('a', 'x');
      key.fault = disabled;
      await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
      await engine.pass(awayMs);
      key.fault = undefined;
      await engine.pass(awayMs < 1_000 ? 1_000 : intervalMs);
      expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped', 'cmk-a recovered KEY_DISABLED']);
      expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    }
  });

  it('does not come back by silence', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    key.fault = silent;
    await engine.pass(10 * intervalMs);
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
  });

  it('waits for the yes where the daemon was started anew, also while the service is silent', async () => {
    const { key, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    const again = new WatchedEngine({ known: engine.tenants.refused() });
    key.fault = silent;
    again.watch({ current: key });
    await again.pass(intervalMs);
    expect((await rejection(again.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
    key.fault = undefined;
    await again.pass(intervalMs);
    expect((await again.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });

  it('is not lifted by a new file of the same key, and is by one of another key', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    engine.watch({ current: key, more: '  dek: { source: kms }' });
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
    engine.watch({ current: new FakeKeyService('cmk-b'), retired: [key] });
    expect((await engine.encrypt('a', 'x')).key.keyId).toBe('cmk-b');
  });
});

describe('an answer that may be a no or a fault', () => {
  it('wipes nothing at first, and is a no where it lasts for five minutes', async () => {
    const { key, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.fault = unclear;
    await engine.pass(intervalMs);
    await engine.pass(290_000);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    expect(engine.changes).toEqual([]);
    await engine.pass(11_000);
    expect(engine.changes).toEqual(['cmk-a refused KEY_STATE_INVALID, 2 wiped']);
  });

  it('is cleared by the canary, and by an outage that the service itself told', async () => {
    for (const clears of [undefined, { ...silent }]) {
      const { key, engine } = world();
      await engine.encrypt('a', 'x');
      await engine.pass(intervalMs);
      for (let i = 0; i < 3; i++) {
        key.fault = unclear;
        await engine.pass(240_000);
        key.fault = clears;
        await engine.pass(2 * intervalMs);
      }
      expect(engine.changes.filter((change) => change.includes('refused'))).toEqual([]);
    }
  });

  it('is neither cleared nor made a no by silence alone', async () => {
    const { key, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.fault = unclear;
    await engine.pass(intervalMs);
    key.fault = silent;
    key.isMute = true;
    await engine.pass(600_000);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    key.fault = unclear;
    await engine.pass(intervalMs);
    expect(engine.changes).toContain('cmk-a refused KEY_STATE_INVALID, 2 wiped');
  });
});

describe('a key service that is silent', () => {
  it('takes nothing away until the time without proof is over, and gives it back with its first answer', async () => {
    const { key, engine } = world('  limits: { max_unproven_seconds: 3600 }');
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(intervalMs);
    key.fault = silent;
    await engine.pass(3_600_000 - 2 * intervalMs, 10_000);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    await engine.pass(2 * intervalMs);
    expect(engine.changes).toContain('cmk-a unproven');
    const failure = await rejection(engine.decrypt('a', ciphertext));
    expect([failure.reason, failure.retryAfterMs]).toEqual(['KEY_UNPROVEN', intervalMs / 2]);
    expect((await engine.describe('a')).state).toEqual({ kind: 'active', reason: 'KEY_UNPROVEN' });
    expect(engine.cache.count()).toBe(2);
    key.fault = undefined;
    await engine.pass(intervalMs);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    expect(engine.events.filter((event) => event === 'generated kms')).toHaveLength(1);
  });
});

describe('a replica', () => {
  it('that is refused is no longer written to, and harms nobody', async () => {
    const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
    const engine = new WatchedEngine();
    engine.watch({ current: key, replicas: [replica] });
    const { ciphertext } = await engine.encrypt('a', 'x');
    replica.fault = disabled;
    await engine.pass(intervalMs);
    expect(engine.changes).toEqual(['cmk-b refused KEY_DISABLED']);
    expect((await engine.describe('a')).replicas).toMatchObject([
      { state: { kind: 'refused', reason: 'KEY_DISABLED' } },
    ]);
    expect((await engine.decrypt('a', ciphertext)).needsRewrap).toBe(false);
    const wraps = replica.calls.wrap;
    const next = await engine.encrypt('a', 'y', { context: { purpose: 'new' } });
    expect((await engine.decrypt('a', next.ciphertext)).needsRewrap).toBe(false);
    expect(replica.calls.wrap).toBe(wraps);
    replica.fault = undefined;
    await engine.pass(intervalMs);
    expect((await engine.decrypt('a', next.ciphertext)).needsRewrap).toBe(true);
  });

  it('that is refused takes along what it opened in the place of a silent key', async () => {
    const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
    const engine = new WatchedEngine();
    engine.watch({ current: key, replicas: [replica] });
    const made = await engine.generate('a', { source: 2 });
    const other = await engine.encrypt('a', 'x');
    engine.cache.clear(a, 'removed', (value) => value.uses === 0);
    key.fault = silent;
    expect((await engine.during(engine.unwrap('a', made.wrappedDek))).key.keyId).toBe('cmk-b');
    replica.fault = disabled;
    await engine.pass(intervalMs);
    expect(engine.changes).toContain('cmk-b refused KEY_DISABLED, 1 wiped');
    expect((await engine.during(rejection(engine.unwrap('a', made.wrappedDek)))).reason).toBe(
      'KEY_SERVICE_UNAVAILABLE',
    );
    expect((await engine.decrypt('a', other.ciphertext)).plaintext.toString()).toBe('x');
  });

  it('is not asked while the primary refuses', async () => {
    const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
    const engine = new WatchedEngine();
    engine.watch({ current: key, replicas: [replica] });
    const { ciphertext } = await engine.encrypt('a', 'x');
    key.fault = disabled;
    await engine.pass(intervalMs);
    const before = replica.callCount;
    for (let i = 0; i < 10; i++) {
      expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
      await engine.pass(1_000);
    }
    key.fault = silent;
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
    expect(replica.callCount).toBe(before);
  });
});

describe('a retired key', () => {
  it('that is refused takes along what it opened, and nothing else', async () => {
    const [key, old] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-old')];
    const engine = new WatchedEngine();
    engine.watch({ current: old });
    const before = await engine.encrypt('a', 'old');
    engine.watch({ current: key, retired: [old] });
    const after = await engine.encrypt('a', 'new');
    expect((await engine.decrypt('a', before.ciphertext)).needsRewrap).toBe(true);
    old.fault = disabled;
    await engine.pass(intervalMs);
    expect(engine.changes).toEqual(['cmk-old refused KEY_DISABLED, 2 wiped']);
    expect((await rejection(engine.decrypt('a', before.ciphertext))).reason).toBe('KEY_DISABLED');
    expect((await engine.decrypt('a', after.ciphertext)).plaintext.toString()).toBe('new');
  });
});
