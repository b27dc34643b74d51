/** The cache as a state space: each state of an entry, of its tenant's bounds and of the tenant beside it. */
import { describe, expect, it } from 'vitest';
import type { TenantId } from '../../../src/base/ids.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { type EntryName, type EvictionReason, evictionReasons, KeyCache } from '../../../src/dek/key-cache.ts';
import { Lease } from '../../../src/dek/lease.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeSecret } from '../../support/fake-secret.ts';

const a = parseTenantId('a');
const b = parseTenantId('b');
const ttlMs = 10_500;

function world(maxBytes = 100) {
  const clock = new FakeClock();
  const evicted: string[] = [];
  const reasons = new Set<EvictionReason>();
  const cache = new KeyCache<FakeSecret>({
    clock,
    random: () => 0.5,
    maxBytes,
    onEvict(tenant, reason) {
      evicted.push(`${tenant} ${reason}`);
      reasons.add(reason);
    },
  });
  const put = (name: EntryName, bytes = 10): FakeSecret => {
    const secret = new FakeSecret(name.key);
    cache.put(name, { lease: Lease.own(secret), bytes });
    return secret;
  };
  const has = (name: EntryName): boolean => {
    using lease = cache.get(name)?.lease;
    return lease !== undefined;
  };
  return { clock, evicted, reasons, cache, put, has };
}

const dek = (tenant: TenantId, key: string): EntryName => ({ tenant, space: 'dek', key });
const root = (tenant: TenantId, key: string): EntryName => ({ tenant, space: 'root', key });

type EntryState = 'absent' | 'fresh' | 'expired';
type Bound = 'under' | 'at';
type Share = 'below' | 'at' | 'above';

/** What goes when the entry is asked for and then put, in a cache whose bytes are all in use. */
function expectedEvictions(state: EntryState, bound: Bound, share: Share): string[] {
  if (state === 'fresh') return ['a replaced'];
  if (state === 'expired') return ['a expired'];
  if (bound === 'at') return ['a max_entries'];
  return share === 'above' ? ['b max_bytes'] : ['a max_bytes'];
}

const heldByB: Readonly<Record<Share, number>> = { below: 30, at: 50, above: 70 };
const cases = (['absent', 'fresh', 'expired'] as const).flatMap((state) =>
  (['under', 'at'] as const).flatMap((bound) =>
    (['below', 'at', 'above'] as const).map((share) => [state, bound, share] as const),
  ),
);

describe('an entry of one tenant in a cache that is full, with an equal share of 50 bytes', () => {
  it.each(cases)(
    'that is %s, with the tenant %s its bound of entries and the other %s its share',
    (state, bound, share) => {
      const { clock, evicted, cache, put, has } = world();
      cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
      cache.admit(b, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
      const older = state === 'absent' ? undefined : put(dek(a, 'entry'));
      if (state === 'expired') clock.advance(ttlMs - 1);
      const rest = 100 - heldByB[share] - (older === undefined ? 0 : 10);
      put(dek(a, 'filler 1'), rest / 2);
      put(dek(a, 'filler 2'), rest / 2);
      for (let i = 0; i < heldByB[share] / 10; i++) put(dek(b, `b ${i}`));
      if (bound === 'at') cache.admit(a, { ttlMs, maxEntries: cache.count(a), callsPerSecond: 50 });
      if (state === 'expired') clock.advance(1);
      expect(cache.bytes).toBe(100);

      expect(has(dek(a, 'entry'))).toBe(state === 'fresh');
      const newer = put(dek(a, 'entry'));

      expect(evicted).toEqual(expectedEvictions(state, bound, share));
      expect(older?.disposals ?? 1).toBe(1);
      expect(newer.disposals).toBe(0);
      expect(has(dek(a, 'entry'))).toBe(true);
      expect(cache.bytes).toBeLessThanOrEqual(100);
      if (share !== 'above') expect(cache.count(b)).toBe(heldByB[share] / 10);
    },
  );
});

describe('every reason for an eviction', () => {
  it('is given by something, and wipes the value once', () => {
    const { clock, reasons, cache, put } = world();
    cache.admit(a, { ttlMs, maxEntries: 2, callsPerSecond: 50 });
    cache.admit(b, { ttlMs, maxEntries: 20, callsPerSecond: 50 });
    const secrets = [put(dek(a, '1')), put(dek(a, '2')), put(dek(a, '3'))];
    secrets.push(put(dek(a, '3')));
    clock.advance(ttlMs + 1000);
    for (let i = 0; i < 11; i++) secrets.push(put(dek(b, `${i}`)));
    for (const reason of ['used_up', 'refused'] as const) {
      secrets.push(put(root(a, 'root')));
      cache.drop(root(a, 'root'), reason);
    }
    cache.remove(b);
    secrets.push(put(root(a, 'last')));
    cache[Symbol.dispose]();
    expect([...reasons].sort()).toEqual([...evictionReasons].sort());
    expect(secrets.map(({ disposals }) => disposals)).toEqual(secrets.map(() => 1));
    expect(cache.bytes).toBe(0);
  });
});

describe('KeyCache', () => {
  it('gives back what was put, with the time that is left', () => {
    const { clock, cache, put } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    const secret = put(dek(a, 'x'));
    clock.advance(500);
    const hit = cache.get(dek(a, 'x'));
    expect(hit?.lease.value).toBe(secret);
    expect(hit?.remainingMs).toBe(10_000);
  });

  it('keeps tenants and spaces apart: the same key names four entries', () => {
    const { cache, put, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    cache.admit(b, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'x'));
    expect([dek(a, 'x'), root(a, 'x'), dek(b, 'x'), root(b, 'x')].map(has)).toEqual([true, false, false, false]);
  });

  it('drops the least recently used entry of a space first', () => {
    const { cache, put, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 3, callsPerSecond: 50 });
    for (const key of ['1', '2', '3']) put(dek(a, key));
    has(dek(a, '1'));
    put(dek(a, '4'));
    expect(['1', '2', '3', '4'].map((key) => has(dek(a, key)))).toEqual([true, false, true, true]);
  });

  it('bounds each space by itself', () => {
    const { cache, put, evicted } = world();
    cache.admit(a, { ttlMs, maxEntries: 1, callsPerSecond: 50 });
    put(dek(a, '1'));
    put(root(a, '1'));
    expect(evicted).toEqual([]);
    expect([cache.count(a), cache.count()]).toEqual([2, 2]);
  });

  it('for want of bytes lets keys go that callers can bring again before those that new data goes under', () => {
    const { cache, put, has } = world(30);
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(root(a, 'old root'));
    put(dek(a, 'dek'));
    put(root(a, 'root'));
    put(root(a, 'new root'));
    expect([has(dek(a, 'dek')), has(root(a, 'old root'))]).toEqual([false, true]);
    put(root(a, 'newest root'));
    expect([has(root(a, 'root')), has(root(a, 'old root'))]).toEqual([false, true]);
  });

  it('does not serve an entry at its time, swept or not', () => {
    const { clock, cache, put, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    const secret = put(dek(a, 'x'));
    clock.advance(ttlMs - 1);
    expect(has(dek(a, 'x'))).toBe(true);
    clock.advance(1);
    expect(secret.disposals).toBe(0);
    expect(has(dek(a, 'x'))).toBe(false);
    expect(secret.disposals).toBe(1);
  });

  it('wipes what nobody asks for within a second after its time', () => {
    const { clock, cache, put } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    const secret = put(dek(a, 'x'));
    clock.advance(ttlMs + 1000);
    expect(secret.disposals).toBe(1);
    expect(cache.count()).toBe(0);
  });

  it('does not lengthen a life by use', () => {
    const { clock, cache, put, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'x'));
    for (let i = 0; i < 10; i++) {
      clock.advance(1000);
      expect(has(dek(a, 'x'))).toBe(true);
    }
    clock.advance(1000);
    expect(has(dek(a, 'x'))).toBe(false);
  });

  it('wipes a value that is in use only when its last user lets go', () => {
    const { cache, put } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    const secret = put(dek(a, 'x'));
    const hit = cache.get(dek(a, 'x'));
    cache.drop(dek(a, 'x'), 'used_up');
    expect(cache.count()).toBe(0);
    expect(hit?.lease.value.disposals).toBe(0);
    hit?.lease[Symbol.dispose]();
    expect(secret.disposals).toBe(1);
  });

  it.each<[string, number, number]>([
    ['caching is off', 0, 10],
    ['the value is over the bound', ttlMs, 101],
  ])('keeps nothing where %s, and lets go of the lease', (_name, ttl, bytes) => {
    const { cache, put, evicted } = world();
    cache.admit(a, { ttlMs: ttl, maxEntries: 10, callsPerSecond: 50 });
    const secret = put(dek(a, 'x'), bytes);
    expect(secret.disposals).toBe(1);
    expect([cache.count(), cache.bytes, evicted.length]).toEqual([0, 0, 0]);
  });

  it('keeps nothing for a tenant that was never admitted or is gone', () => {
    const { cache, put } = world();
    expect(put(dek(a, 'x')).disposals).toBe(1);
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    const kept = put(dek(a, 'x'));
    cache.remove(a);
    expect(kept.disposals).toBe(1);
    expect(put(dek(a, 'y')).disposals).toBe(1);
    expect(cache.get(dek(a, 'y'))).toBeUndefined();
  });

  it('takes a value of the whole bound and makes room for it', () => {
    const { cache, put, evicted } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'small'));
    put(dek(a, 'whole'), 100);
    expect(evicted).toEqual(['a max_bytes']);
    expect(cache.bytes).toBe(100);
  });

  it('applies a shorter life and a smaller bound to what it holds', () => {
    const { clock, cache, put, evicted, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'old'));
    clock.advance(5000);
    for (const key of ['1', '2', '3']) put(dek(a, key));
    cache.admit(a, { ttlMs: 4000, maxEntries: 2, callsPerSecond: 50 });
    expect(evicted).toEqual(['a expired', 'a max_entries']);
    expect(has(dek(a, '1'))).toBe(false);
    clock.advance(5000);
    expect(cache.count()).toBe(0);
    cache.admit(a, { ttlMs: 0, maxEntries: 2, callsPerSecond: 50 });
    expect(put(dek(a, 'x')).disposals).toBe(1);
  });

  it('applies a longer life to what it holds', () => {
    const { clock, cache, put, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'x'));
    cache.admit(a, { ttlMs: 2 * ttlMs, maxEntries: 10, callsPerSecond: 50 });
    clock.advance(ttlMs + 1000);
    expect(has(dek(a, 'x'))).toBe(true);
    clock.advance(ttlMs);
    expect(cache.count()).toBe(0);
  });

  it('clears one tenant and leaves the other alone', () => {
    const { cache, put, evicted, has } = world();
    cache.admit(a, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    cache.admit(b, { ttlMs, maxEntries: 10, callsPerSecond: 50 });
    put(dek(a, 'x'));
    put(root(a, 'x'));
    put(dek(b, 'x'));
    cache.clear(a, 'removed');
    expect(evicted).toEqual(['a removed', 'a removed']);
    expect([cache.count(a), has(dek(b, 'x'))]).toEqual([0, true]);
  });

  it('takes a drop, a clear and a removal of what is not there', () => {
    const { cache, evicted } = world();
    cache.drop(dek(a, 'x'), 'used_up');
    cache.clear(a, 'removed');
    cache.remove(a);
    expect(evicted).toEqual([]);
    expect(cache.count(a)).toBe(0);
  });
});
