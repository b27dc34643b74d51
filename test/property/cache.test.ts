/** The cache under random use by many tenants: its bounds, its fairness, and not one value lost or wiped twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTenantId, type TenantId } from '../../src/base/ids.ts';
import { type EntryName, KeyCache } from '../../src/dek/key-cache.ts';
import { Lease } from '../../src/dek/lease.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeSecret } from '../support/fake-secret.ts';

const maxBytes = 200;
const tenants = ['t0', 't1', 't2', 't3'].map(parseTenantId);
const policies = [
  { ttlMs: 5000, maxEntries: 3, callsPerSecond: 50 },
  { ttlMs: 20_000, maxEntries: 8, callsPerSecond: 50 },
  { ttlMs: 0, maxEntries: 5, callsPerSecond: 50 },
  { ttlMs: 60_000, maxEntries: 100, callsPerSecond: 50 },
];

const tenant = fc.constantFrom(...tenants);
const name: fc.Arbitrary<EntryName> = fc.record({
  tenant,
  space: fc.constantFrom('dek' as const, 'root' as const),
  key: fc.nat({ max: 9 }).map(String),
});
/** Every value of one tenant has one size, so that its sum follows from the count. */
const sizes = new Map(tenants.map((each, i) => [each, [10, 25, 45, 90][i] ?? 1]));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), name }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), name, hold: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat({ max: 9000 }), asleep: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('admit' as const), tenant, policy: fc.constantFrom(...policies) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), tenant }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('let go' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The cache beside what is known of it from outside. */
class Model {
  readonly clock = new FakeClock();
  readonly secrets = FakeSecret.all();
  readonly admitted = new Map<TenantId, (typeof policies)[number]>();
  readonly born = new Map<FakeSecret, { at: number; tenant: TenantId }>();
  readonly held: Lease<FakeSecret>[] = [];
  readonly unfair: string[] = [];
  #putting: TenantId | undefined;
  readonly cache: KeyCache<FakeSecret> = new KeyCache<FakeSecret>({
    clock: this.clock,
    random: () => 0.5,
    maxBytes,
    onEvict: (from) => this.#evicted(from),
  });

  #evicted(from: TenantId): void {
    if (this.#putting === undefined || this.#putting === from) return;
    const had = (this.cache.count(from) + 1) * sizeFor(from);
    const share = maxBytes / this.admitted.size;
    if (had <= share) this.unfair.push(`${from} held ${had} of ${share} and lost an entry to ${this.#putting}`);
  }

  #put(entry: EntryName): void {
    const secret = this.secrets.make();
    this.born.set(secret, { at: this.clock.monotonic(), tenant: entry.tenant });
    this.#putting = entry.tenant;
    this.cache.put(entry, { lease: Lease.own(secret), bytes: sizeFor(entry.tenant) });
    this.#putting = undefined;
  }

  #get(entry: EntryName, hold: boolean): void {
    const hit = this.cache.get(entry);
    if (hit === undefined) return;
    const secret = hit.lease.value;
    const birth = this.born.get(secret);
    const age = this.clock.monotonic() - (birth?.at ?? Number.NaN);
    const ttlMs = this.admitted.get(entry.tenant)?.ttlMs ?? 0;
    expect(secret.disposals).toBe(0);
    expect(birth?.tenant).toBe(entry.tenant);
    expect(age).toBeLessThan(ttlMs);
    expect(hit.remainingMs).toBe(ttlMs - age);
    if (hold) this.held.push(hit.lease);
    else hit.lease[Symbol.dispose]();
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'put':
        this.#put(step.name);
        break;
      case 'get':
        this.#get(step.name, step.hold);
        break;
      case 'time':
        if (step.asleep) this.clock.sleep(step.ms);
        else this.clock.advance(step.ms);
        break;
      case 'drop':
        this.cache.drop(step.name, 'used_up');
        break;
      case 'admit':
        this.admitted.set(step.tenant, step.policy);
        this.cache.admit(step.tenant, step.policy);
        break;
      case 'remove':
        this.admitted.delete(step.tenant);
        this.cache.remove(step.tenant);
        break;
      case 'let go':
        this.held.pop()?.[Symbol.dispose]();
        break;
    }
  }

  check(): void {
    expect(this.unfair).toEqual([]);
    let bytes = 0;
    for (const each of tenants) {
      const count = this.cache.count(each);
      expect(count).toBeLessThanOrEqual(2 * (this.admitted.get(each)?.maxEntries ?? 0));
      bytes += count * sizeFor(each);
    }
    expect(this.cache.bytes).toBe(bytes);
    expect(bytes).toBeLessThanOrEqual(maxBytes);
    for (const { value } of this.held) expect(value.disposals).toBe(0);
  }
}

function sizeFor(of: TenantId): number {
  return sizes.get(of) ?? 1;
}

describe('KeyCache', () => {
  it('holds its bounds and its promises under any sequence of operations', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        for (const [i, each] of tenants.entries()) {
          const policy = policies[i] ?? { ttlMs: 1000, maxEntries: 1, callsPerSecond: 50 };
          model.run({ kind: 'admit', tenant: each, policy });
        }
        for (const each of steps) {
          model.run(each);
          model.check();
        }
        model.cache[Symbol.dispose]();
        for (const lease of model.held) lease[Symbol.dispose]();
        expect(model.secrets.made.every(({ disposals }) => disposals === 1)).toBe(true);
        expect([model.cache.bytes, model.cache.count(), model.clock.timers]).toEqual([0, 0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});
