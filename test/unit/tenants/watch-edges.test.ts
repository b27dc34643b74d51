/**
 * Refusal, doubt and the time without proof at their edges: what ends them, where nothing is cached, and what a change
 * of a file does to them.
 */
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' };

function world(more = '') {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key, more });
  return { key, engine };
}

describe('a tenant whose key is unproven', () => {
  it('is served again once the service is well, also where the last data key has run out meanwhile', async () => {
    const { key, engine } = world(`
  cache_config: { ttl_seconds: 180 }
  canary: { interval_seconds: 10 }
  limits: { max_unproven_seconds: 60 }`);
    const { ciphertext } = await engine.encrypt('a', 'x');
    key.fault = silent;
    await engine.pass(120_000);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_UNPROVEN');
    await engine.pass(120_000);
    expect(engine.cache.count()).toBe(0);
    key.fault = undefined;
    await engine.pass(60_000);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });

  it('is served again with the defaults as well, after an outage of a little more than a day', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    await engine.pass(60_000);
    await engine.pass(40_000);
    await engine.encrypt('a', 'y', { context: { purpose: 'after the proof' } });
    key.fault = silent;
    await engine.pass(86_400_000 + 120_000, 10_000);
    key.fault = undefined;
    await engine.pass(120_000);
    expect((await engine.during(engine.encrypt('a', 'z'))).key.keyId).toBe('cmk-a');
  });

  it('was silent for as long as its file says: a longer interval alone makes none of it', async () => {
    const { engine } = world(`
  canary: { interval_seconds: 300 }
  limits: { max_unproven_seconds: 60 }`);
    await engine.encrypt('a', 'x');
    await engine.pass(900_000);
    expect(engine.changes).toEqual([]);
  });
});

describe('an answer that may be a no', () => {
  it('is none where the service has answered yes for hours since, though nothing was cached to ask for', async () => {
    const { key, engine } = world('  cache_config: { ttl_seconds: 0 }');
    const made = await engine.generate('a', { source: 2 });
    key.fault = unclear;
    await rejection(engine.unwrap('a', made.wrappedDek));
    await engine.pass(1_000);
    key.fault = undefined;
    for (let minute = 0; minute < 60; minute++) {
      await engine.pass(60_000, 10_000);
      await engine.unwrap('a', made.wrappedDek);
    }
    key.fault = unclear;
    await rejection(engine.unwrap('a', made.wrappedDek));
    await engine.pass(1_000);
    expect(engine.changes).toEqual([]);
  });
});

describe('a key that is refused', () => {
  it('is asked after a second, also where its service was silent before', async () => {
    const { key, engine } = world();
    await engine.encrypt('a', 'x');
    await engine.pass(60_000);
    key.fault = silent;
    await engine.pass(600_000);
    key.fault = disabled;
    while (!engine.changes.some((change) => change.includes('refused'))) await engine.pass(1_000);
    key.fault = undefined;
    await engine.pass(2_000);
    expect(engine.changes.at(-1)).toBe('cmk-a recovered KEY_DISABLED');
  });
});

describe('a tenant whose file is away for a moment', () => {
  it('is refused still when it is back, though its service is silent by then and a replica would answer', async () => {
    const [key, replica] = [new FakeKeyService('cmk-a'), new FakeKeyService('cmk-b')];
    const engine = new WatchedEngine();
    const tenant = engine.watch({ current: key, replicas: [replica] });
    const { ciphertext } = await engine.encrypt('a', 'x');
    key.fault = disabled;
    await rejection(engine.encrypt('a', 'y', { context: { purpose: 'new' } }));
    engine.tenants.remove(tenant.id);
    key.fault = silent;
    engine.watch({ current: key, replicas: [replica] });
    expect((await engine.during(rejection(engine.decrypt('a', ciphertext)))).reason).toBe('KEY_DISABLED');
  });
});

describe('a shorter interval in a changed file', () => {
  it('is in force at once: a no is heard within the new one', async () => {
    const { key, engine } = world('  canary: { interval_seconds: 300 }');
    await engine.encrypt('a', 'x');
    engine.watch({ current: key, more: '  canary: { interval_seconds: 10 }' });
    key.fault = disabled;
    await engine.pass(11_000);
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
  });
});
