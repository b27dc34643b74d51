/** When entries are renewed: how long before their end, each at a time of its own, and how often where that fails. */
import { describe, expect, it } from 'vitest';
import { parseTenantId } from '../../../src/base/ids.ts';
import { KeyCache } from '../../../src/dek/key-cache.ts';
import { Lease } from '../../../src/dek/lease.ts';
import { renewalLead, renewalShare, shareAfterAttempt } from '../../../src/dek/renewal.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeSecret } from '../../support/fake-secret.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const dayMs = 86_400_000;
const tenant = parseTenantId('a');

describe('the time before their end in which entries are renewed', () => {
  it.each([
    { what: 'is 8 % of a long life', ttlMs: dayMs, entries: 1_000, callsPerSecond: 50, leadMs: 0.08 * dayMs },
    { what: 'is 8 % of a life with nothing to fetch', ttlMs: 60_000, entries: 0, callsPerSecond: 50, leadMs: 4_800 },
    {
      what: 'is twice what the calls for all take',
      ttlMs: 300_000,
      entries: 1_000,
      callsPerSecond: 50,
      leadMs: 40_000,
    },
    { what: 'is longer where fewer calls are allowed', ttlMs: dayMs, entries: 1_000, callsPerSecond: 0.2, leadMs: 1e7 },
    { what: 'is half of a short life at most', ttlMs: 60_000, entries: 1_000, callsPerSecond: 50, leadMs: 30_000 },
  ])('$what', ({ ttlMs, entries, callsPerSecond, leadMs }) => {
    expect(renewalLead({ ttlMs, entries, callsPerSecond })).toBeCloseTo(leadMs, 6);
  });

  it('is used from its whole down to a fifth of it, as chance says', () => {
    expect(renewalShare(() => 0)).toBe(0.2);
    expect(renewalShare(() => 0.5)).toBeCloseTo(0.6, 9);
    expect(renewalShare(() => 1 - 2 ** -32)).toBeLessThan(1);
  });

  it('is used again after an attempt when seven tenths of what was left are left', () => {
    expect(shareAfterAttempt(10_000, 20_000) * 20_000).toBeCloseTo(7_000, 6);
  });
});

/** Entries born together, that are looked up every `stepMs` until they end: when each was due, by its name. */
function dueTimes(options: { entries: number; ttlMs: number; stepMs: number }): Map<string, number[]> {
  const clock = new FakeClock();
  const cache = new KeyCache<FakeSecret>({ clock, random: seededRandom(7), maxBytes: 1e9 });
  const secrets = FakeSecret.all();
  cache.admit(tenant, { ttlMs: options.ttlMs, maxEntries: options.entries, callsPerSecond: 50 });
  const due = new Map<string, number[]>();
  for (let i = 0; i < options.entries; i++) {
    cache.put({ tenant, space: 'dek', key: String(i) }, { lease: Lease.own(secrets.make()), bytes: 1 });
    due.set(String(i), []);
  }
  for (let at = options.stepMs; at < options.ttlMs; at += options.stepMs) {
    clock.advance(options.stepMs);
    for (const [key, times] of due) {
      const hit = cache.get({ tenant, space: 'dek', key });
      if (hit?.isDue) times.push(at);
      hit?.lease[Symbol.dispose]();
    }
  }
  return due;
}

describe('entries that were born together', () => {
  it('are due at times that are spread evenly over four fifths of the lead', () => {
    const ttlMs = 1_000_000;
    const due = dueTimes({ entries: 1_000, ttlMs, stepMs: 1_000 });
    const firsts = Array.from(due.values(), ([first = Number.NaN]) => ttlMs - first);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(80_000);
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(16_000 - 1_000);
    for (let from = 16_000; from < 80_000; from += 8_000) {
      const inThisEighth = firsts.filter((left) => left >= from && left < from + 8_000).length;
      expect(inThisEighth).toBeGreaterThan(80);
      expect(inThisEighth).toBeLessThan(170);
    }
  });

  it('are due again while they are not replaced, ever sooner, and not more than thirty times', () => {
    const [ttlMs, stepMs] = [1_000_000, 100];
    for (const times of dueTimes({ entries: 20, ttlMs, stepMs }).values()) {
      expect(times.length).toBeGreaterThan(10);
      expect(times.length).toBeLessThanOrEqual(30);
      const left = times.map((at) => ttlMs - at);
      for (const [i, rest] of left.slice(1).entries()) expect(rest).toBeLessThanOrEqual(0.7 * (left[i] ?? 0));
    }
  });
});
