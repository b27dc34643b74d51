/**
 * An hour in which the key service gives no answer, at the worst time: the session that calls are signed with runs out
 * in it, and every cached key falls due for renewal. What is cached serves on, what is not fails fast, the customer's
 * quota is left alone, and the end of it is noticed soon.
 */
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { busiestSecond } from '../../support/busiest-second.ts';
import { CredentialedKey } from '../../support/credentialed-key.ts';
import { rejection } from '../../support/fake-engine.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const hourMs = 3_600_000;
const [ttlMs, intervalMs, timeoutMs, callsPerSecond] = [2 * hourMs, 60_000, 2_000, 50];
/** Keys are due from 576 s before their end on, at two hours; the outage ends 150 s before it. */
const outageAt = ttlMs - 150_000 - hourMs;
const entries = 200;

async function world(seed: number) {
  const random = seededRandom(seed);
  const engine = new WatchedEngine({ random });
  const { clock } = engine;
  const key = new CredentialedKey('cmk-a', { clock, random });
  engine.watch({ current: key, more: `  cache_config: { ttl_seconds: ${ttlMs / 1_000} }` });
  const wrapped: Buffer[] = [];
  for (let i = 0; i < entries; i++) {
    wrapped.push((await engine.during(engine.generate('a', { source: 2 }))).wrappedDek);
  }
  const { ciphertext } = await engine.during(engine.encrypt('a', 'x'));
  /** Everything that is cached, each once. */
  const useAll = async () => {
    for (const wrappedDek of wrapped) (await engine.unwrap('a', wrappedDek))[Symbol.dispose]();
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    await engine.encrypt('a', 'y');
  };
  let contexts = 0;
  /** Something that is not. */
  const miss = () => engine.encrypt('a', 'z', { context: { purpose: `new ${contexts++}` } });
  /** The same again and again, until `at`. */
  const serve = async (at: number) => {
    while (clock.monotonic() < at) {
      await useAll();
      await engine.pass(30_000);
    }
  };
  await engine.pass(outageAt - clock.monotonic());
  return { engine, clock, key, useAll, miss, serve };
}

describe('an hour without an answer', () => {
  it.each([1, 2])(
    'takes nothing from what is cached, fails fast what is not, and asks little (seed %i)',
    async (seed) => {
      const { engine, clock, key, useAll, miss } = await world(seed);
      key.isSilent = true;
      const [asked, logins] = [key.asked.length, key.logins.length];
      let misses = 0;
      while (clock.monotonic() < outageAt + hourMs) {
        await useAll();
        await engine.pass(10_000);
        if (misses * 60_000 > clock.monotonic() - outageAt) continue;
        misses++;
        const from = clock.monotonic();
        const { reason, retryAfterMs } = await engine.during(rejection(miss()));
        expect(clock.monotonic() - from).toBeLessThanOrEqual(3 * timeoutMs);
        expect(reason).toBe('KEY_SERVICE_UNAVAILABLE');
        expect(retryAfterMs).toBeGreaterThan(0);
        expect(retryAfterMs).toBeLessThanOrEqual(30_000);
      }
      expect(misses).toBeGreaterThan(50);
      expect(key.isSessionOver).toBe(true);
      expect(engine.changes).toEqual(['current open']);
      expect(engine.evictions).toEqual([]);
      // A canary an interval, one trial for each of the misses, and what it took until the circuit was open.
      expect(key.asked.length - asked).toBeLessThanOrEqual(hourMs / intervalMs + misses + 30);
      expect(busiestSecond(key.asked.slice(asked))).toBeLessThanOrEqual(3);
      expect(key.logins.length - logins).toBeLessThanOrEqual(400);
    },
  );
});

describe('the end of an hour without an answer', () => {
  it.each([1, 2])('is noticed within an interval, calls no storm up, and comes in time (seed %i)', async (seed) => {
    const { engine, clock, key, useAll, miss, serve } = await world(seed);
    key.isSilent = true;
    await serve(outageAt + hourMs - 60_000);
    const answered: number[] = [];
    /** One who comes again when the answer says so, until there is one. */
    const insist = async (): Promise<void> => {
      try {
        await miss();
        answered.push(clock.monotonic());
      } catch (error) {
        const waitMs = error instanceof KeyproxyError ? error.retryAfterMs : undefined;
        if (waitMs === undefined) throw error;
        clock.after(waitMs, () => void insist());
      }
    };
    for (let i = 0; i < 300; i++) void insist();
    await engine.pass(60_000, 100);
    expect(answered).toEqual([]);
    key.isSilent = false;
    const [end, asked, evictions] = [clock.monotonic(), key.asked.length, engine.evictions.length];
    while (clock.monotonic() < end + 140_000) {
      await engine.pass(1_000, 100);
      await useAll();
    }
    expect(answered).toHaveLength(300);
    expect((answered[0] ?? Number.NaN) - end).toBeLessThanOrEqual(intervalMs);
    expect((answered.at(-1) ?? Number.NaN) - end).toBeLessThanOrEqual(2 * intervalMs);
    // The canary waits for nobody: it is made and opened beside the others.
    expect(busiestSecond(key.asked.slice(asked))).toBeLessThanOrEqual(callsPerSecond + 2);
    // Before the first of them would have reached its end, each of the cached keys has been renewed.
    expect(engine.evictions.slice(evictions).filter((reason) => reason === 'replaced')).toHaveLength(entries + 2);
    expect(engine.evictions).not.toContain('expired');
  });

  it('is noticed within an interval also where nobody asks but the canary', async () => {
    const { engine, clock, key, useAll, miss, serve } = await world(3);
    key.isSilent = true;
    await engine.during(rejection(miss()));
    await serve(outageAt + hourMs);
    key.isSilent = false;
    const end = clock.monotonic();
    while (clock.monotonic() < end + intervalMs) {
      await engine.pass(1_000);
      await useAll();
    }
    expect((await miss()).key.keyId).toBe('cmk-a');
  });

  it('is noticed within an interval where nothing is cached and nobody asks at all, and then nobody is asked', async () => {
    const engine = new WatchedEngine({ random: seededRandom(4) });
    const { clock } = engine;
    const key = new CredentialedKey('cmk-a', { clock, random: () => 0.5 });
    engine.watch({ current: key });
    key.isSilent = true;
    for (let i = 0; i < 5; i++) await engine.during(rejection(engine.encrypt('a', 'x')));
    expect(engine.changes).toEqual(['current open']);
    await engine.pass(hourMs);
    const [asked, logins] = [key.asked.length, key.logins.length];
    await engine.pass(10 * intervalMs);
    expect(key.asked.length - asked).toBeLessThanOrEqual(12);
    expect(key.logins.length - logins).toBeLessThanOrEqual(12);
    key.isSilent = false;
    await engine.pass(intervalMs);
    expect(engine.changes).toEqual(['current open', 'current closed']);
    await engine.pass(2 * intervalMs);
    const after = key.asked.length;
    await engine.pass(hourMs);
    expect(key.asked.length).toBe(after);
  });
});
