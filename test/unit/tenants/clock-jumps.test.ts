/**
 * Clocks that do not run as clocks do. Somebody sets the wall clock: lives of keys, canaries and refusals go by another
 * one. A machine was asleep: all that ran out meanwhile is over when it wakes up.
 */
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { CredentialedKey } from '../../support/credentialed-key.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const [minuteMs, hourMs] = [60_000, 3_600_000];

function world(more = '') {
  const engine = new WatchedEngine({ random: seededRandom(1) });
  const key = new CredentialedKey('cmk-a', { clock: engine.clock, random: seededRandom(2) });
  engine.watch({ current: key, more });
  return { engine, key };
}

/** A life with an outage and a refusal, in which the wall clock jumps in the middle of each; and what was seen of it. */
async function life(jumpMs: number) {
  const engine = new WatchedEngine({ random: seededRandom(1) });
  const key = new FakeKeyService('cmk-a');
  engine.watch({ current: key, more: '  cache_config: { ttl_seconds: 7200 }' });
  const { wrappedDek } = await engine.generate('a', { source: 2 });
  const seen: string[] = [];
  const minutes = async (count: number) => {
    for (let second = 0; second < count * 60; second++) {
      await engine.pass(1_000);
      const answer = await maxAgeOf(engine, wrappedDek).catch(({ reason }) => reason);
      seen.push(`${answer}, ${engine.changes.length} changes, ${key.callCount} calls`);
    }
  };
  const withJump = async (count: number, ms: number) => {
    await minutes(count);
    engine.clock.wallJump(ms);
    await minutes(count);
  };
  await withJump(10, jumpMs);
  await withJump(10, -jumpMs);
  key.gate = new Promise(() => {});
  await withJump(10, jumpMs);
  key.gate = undefined;
  await minutes(5);
  key.fault = disabled;
  await withJump(5, -jumpMs);
  key.fault = undefined;
  await minutes(5);
  return { seen, changes: engine.changes };
}

async function maxAgeOf(engine: WatchedEngine, wrappedDek: Buffer): Promise<string> {
  using opened = await engine.unwrap('a', wrappedDek);
  return `${opened.maxAgeSeconds} s`;
}

describe('a wall clock that is set by hours', () => {
  it.each([5, -5])('(%i of them) changes no life, no canary and no refusal', async (hours) => {
    const [jumped, steady] = [await life(hours * hourMs), await life(0)];
    expect(steady.changes).toEqual([
      ...['current open', 'current closed'],
      ...['cmk-a refused KEY_DISABLED, 1 wiped', 'cmk-a recovered KEY_DISABLED'],
    ]);
    expect(jumped.changes).toEqual(steady.changes);
    expect(jumped.seen).toEqual(steady.seen);
  });
});

/** Two hours of sessions, after the wall clock was set, with an outage in them. */
async function sessions(jumpMs: number) {
  const { engine, key } = world();
  const { ciphertext } = await engine.encrypt('a', 'x');
  const serve = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute++) {
      await engine.pass(minuteMs);
      expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    }
  };
  await serve(5);
  engine.clock.wallJump(jumpMs);
  await serve(50);
  key.isSilent = true;
  await serve(20);
  key.isSilent = false;
  await serve(50);
  const outcomes = engine.calls.slice(-40);
  return { logins: key.logins.length, stale: key.stale, outcomes };
}

describe('the sessions of a key service', () => {
  it('all look over where the wall clock is ahead: each call logs in, and succeeds', async () => {
    const { logins, stale, outcomes } = await sessions(5 * hourMs);
    expect(stale).toBe(0);
    expect(new Set(outcomes)).toEqual(new Set(['canary ok']));
    expect(logins).toBeGreaterThan(100);
    expect(logins).toBeLessThan(6 * 120);
  });

  it('all look good where it is behind: the service turns one away, and the call logs in and succeeds', async () => {
    const { logins, stale, outcomes } = await sessions(-5 * hourMs);
    expect(new Set(outcomes)).toEqual(new Set(['canary ok']));
    expect(stale).toBeGreaterThan(0);
    expect(stale).toBeLessThanOrEqual(120 / 15);
    expect(logins).toBeLessThan(30);
  });

  it('are renewed ahead of their end where it is right', async () => {
    const { stale, outcomes } = await sessions(0);
    expect(new Set(outcomes)).toEqual(new Set(['canary ok']));
    expect(stale).toBe(0);
  });
});

describe('a machine that was asleep', () => {
  it('serves nothing that has run out meanwhile', async () => {
    const { engine, key } = world('  cache_config: { ttl_seconds: 7200 }');
    const { wrappedDek } = await engine.generate('a', { source: 2 });
    await engine.pass(minuteMs);
    engine.clock.sleep(7_200_000 - minuteMs);
    expect(engine.cache.count()).toBe(0);
    key.isSilent = true;
    expect((await engine.during(rejection(engine.unwrap('a', wrappedDek)))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });

  it('asks the canary at once when it wakes up, and hears what the customer said meanwhile', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(minuteMs);
    const asked = key.asked.length;
    key.fault = disabled;
    engine.clock.sleep(8 * hourMs);
    await settled();
    expect(key.asked).toHaveLength(asked + 1);
    expect(engine.changes).toEqual(['cmk-a refused KEY_DISABLED, 2 wiped']);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_DISABLED');
  });

  it('serves nothing before the yes, where it slept for longer than a key may go unproven', async () => {
    const { engine, key } = world(`  cache_config: { ttl_seconds: 86400 }
  limits: { max_unproven_seconds: 3600 }`);
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(minuteMs);
    const letGo = key.hold();
    engine.clock.sleep(2 * hourMs);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_UNPROVEN');
    letGo();
    await settled();
    expect(engine.changes).toEqual(['cmk-a unproven', 'cmk-a proven']);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });

  it('serves nothing where nobody answers when it wakes up after too long, and forgets nothing', async () => {
    const { engine, key } = world('  limits: { max_unproven_seconds: 3600 }');
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.pass(minuteMs);
    key.isSilent = true;
    engine.clock.sleep(2 * hourMs);
    await engine.pass(10 * minuteMs);
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_UNPROVEN');
    key.isSilent = false;
    await engine.pass(minuteMs);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });
});
