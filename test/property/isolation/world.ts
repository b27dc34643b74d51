/**
 * Tenants under keys of their own and under one that they share, callers who may work for some of them, and what happens
 * to keys: the real engine with all that stands in front of a key service, beside a model of who may open what.
 */
import { type Caller, callerName } from '../../../src/base/caller.ts';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { verbs } from '../../../src/base/verb.ts';
import type { KmsFault } from '../../../src/kms/fault.ts';
import type { Engine } from '../../../src/operations/engine.ts';
import { dekSources, generateDek } from '../../../src/operations/generate-dek.ts';
import { Standings } from '../../../src/operations/standing.ts';
import type { Dice } from '../../fuzz/engine/dice.ts';
import { noLimits } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';
import { Model } from './model.ts';

/** A key that stays open when a tenant that had it is replaced by another. */
class LastingKey extends FakeKeyService {
  override async [Symbol.asyncDispose](): Promise<void> {}
}

/** A tenant as it is configured now. */
export interface TenantOf {
  readonly id: string;
  /** The current one first, then those that may still be read. */
  readonly keys: readonly [LastingKey, ...LastingKey[]];
  readonly replicas: readonly LastingKey[];
}

/** What its key services say about a tenant: the last change, and whether everybody has had the time to hear of it. */
type Mood = 'well' | 'unclear' | 'refused';

/** Names that differ by little, and that run into each other where nothing stands between them and what follows. */
const ids = ['a', 'A', 'aa', 'a.b', 'tenant_id', 'a-0'] as const;

/** Who may work for every tenant. */
const owner: Caller = { kind: 'socket' };
const callers: readonly [Caller, ...Caller[]] = [
  owner,
  { kind: 'socket', peer: { pid: 7, uid: 1000, gid: 1000 } },
  { kind: 'service_account', namespace: 'shop', name: 'orders' },
  { kind: 'service_account', namespace: 'shop-orders', name: 'default' },
  { kind: 'spiffe', id: 'spiffe://example.org/orders' },
  { kind: 'anonymous' },
];

const refusal: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

const { signal } = new AbortController();

/** In which a change of a key's mind is heard for certain: several canary intervals of 10 s, in milliseconds. */
const hearingMs = 40_000;

export class World {
  readonly watched = new WatchedEngine();
  readonly model = new Model();
  readonly tenants: TenantOf[] = [];
  readonly callers = callers;
  readonly engine: Engine;
  readonly #standings: Standings;
  readonly #moods = new Map<string, Mood>();
  readonly #keys: LastingKey[] = [];
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
    const { model } = this;
    this.#standings = new Standings({
      access: (caller) => (tenant) => model.allowed(callerName(caller), tenant),
      limits: noLimits,
    });
    this.engine = { ...this.watched.engine, standings: this.#standings };
    const count = 2 + dice.below(4);
    const [shared, sharedReplica] = [this.#newKey(), this.#newKey()];
    for (const [at, id] of ids.slice(0, count).entries()) {
      const key = at >= count - 2 ? shared : this.#newKey();
      this.serve({ id, keys: [key], replicas: dice.once(3) ? [sharedReplica] : [] });
    }
    this.#dealRights();
  }

  /** The policy changes: who may do what for whom. */
  #dealRights(): void {
    const dice = this.#dice;
    for (const caller of callers) {
      for (const { id } of this.tenants) {
        const some = verbs.filter(() => caller === owner || !dice.once(5));
        this.model.allow(callerName(caller), id, new Set(caller !== owner && dice.once(4) ? [] : some));
      }
    }
    this.#standings.policyChanged();
  }

  /** Serves a tenant from now on, in the place of one of the same name, with whatever settings. */
  serve(tenant: TenantOf): void {
    const { dice, watched } = { dice: this.#dice, watched: this.watched };
    const [current, ...retired] = tenant.keys;
    const ttl = dice.pick([0, 15, 300, 86_400]);
    watched.watch({
      ...{ id: tenant.id, current, retired, replicas: tenant.replicas },
      more: `
  cache_config: { ttl_seconds: ${ttl}, max_entries: ${dice.pick([1, 3, 1000])} }
  canary: { interval_seconds: 10 }
  dek: { source: ${dice.pick(['derived', 'kms'])} }
  decrypt: { foreign: ${dice.once(2)} }
  limits: { kms_calls_per_second: 100000, kms_concurrency: 1000 }
`,
    });
    const at = this.tenants.findIndex(({ id }) => id === tenant.id);
    this.tenants.splice(at < 0 ? this.tenants.length : at, at < 0 ? 0 : 1, tenant);
    this.model.served.set(tenant.id, new Set(tenant.keys.map(({ keyId }) => keyId)));
    this.#moods.set(tenant.id, 'unclear');
  }

  get any(): TenantOf {
    const tenant = this.tenants[this.#dice.below(this.tenants.length)];
    if (tenant === undefined) throw new Error('a world has tenants');
    return tenant;
  }

  moodOf(id: string): Mood {
    return this.#moods.get(id) ?? 'well';
  }

  /** Something happens to a tenant or its keys. */
  async happen(): Promise<void> {
    const dice = this.#dice;
    const tenant = this.any;
    const [current, ...retired] = tenant.keys;
    switch (dice.below(13)) {
      case 0:
        this.#says(current, refusal);
        return this.#pass();
      case 1:
        return this.#says(current, refusal);
      case 2:
        return this.#fallsSilent(dice.once(2) ? current : (tenant.replicas[0] ?? current));
      case 3:
        this.watched.tenants.remove(parseTenantId(tenant.id));
        this.model.served.delete(tenant.id);
        return;
      case 4:
      case 5:
        return this.serve(tenant);
      case 6:
        if (retired.length < 3 && current.fault !== outage) {
          this.serve({ ...tenant, keys: [this.#newKey(), ...tenant.keys] });
        }
        return;
      case 7:
        // Data under a key that is no longer configured is nobody's, as long as no replica opens it.
        if (tenant.replicas.length === 0) this.serve({ ...tenant, keys: [current, ...retired.slice(0, 1)] });
        return;
      case 8:
        return this.#pass();
      case 9:
        return this.#dealRights();
      default:
        for (const key of this.#keys) this.#says(key, undefined);
        return this.#pass();
    }
  }

  /**
   * Lets time pass until every change has been heard. Where nothing is cached nobody asks, so each tenant is called once:
   * that tells a no, and that a service is back.
   */
  async #pass(): Promise<void> {
    await this.watched.pass(hearingMs, 2_500);
    for (const { id, keys, replicas } of this.tenants) {
      if (!this.model.served.has(id)) continue;
      const request = { tenantId: id, encryptionContext: new Map(), numberOfBytes: 32, withoutPlaintext: true };
      await this.outcome(generateDek(this.engine)(owner, { ...request, source: dekSources.kms }, signal));
      const isWell = [...keys, ...replicas].every((key) => key.fault === undefined);
      this.#moods.set(id, isWell ? 'well' : keys[0].fault === refusal ? 'refused' : 'unclear');
    }
  }

  /** A retired key is asked by nobody but those who read old data: nobody could tell when it is known to be back. */
  #fallsSilent(key: LastingKey): void {
    const isRetired = this.tenants.some(({ keys }) => keys.indexOf(key) > 0);
    if (!isRetired) this.#says(key, outage);
  }

  #says(key: LastingKey, fault: KmsFault | undefined): void {
    if (key.fault === fault) return;
    key.fault = fault;
    for (const { id, keys, replicas } of this.tenants) {
      if ([...keys, ...replicas].includes(key)) this.#moods.set(id, 'unclear');
    }
  }

  /** Some bind the context themselves, some leave it to keyproxy, as RSA keys do. */
  #newKey(): LastingKey {
    const key = new LastingKey(`key-${this.#keys.length}`, { bindsContext: this.#dice.once(2) });
    this.#keys.push(key);
    return key;
  }

  /** What a call comes to: its answer or its failure. Time goes on where it waits for some. */
  async outcome<T>(call: Promise<T>): Promise<T | KeyproxyError> {
    let isOver = false;
    const ended = call
      .catch((error: unknown) => {
        if (error instanceof KeyproxyError) return error;
        throw error;
      })
      .finally(() => {
        isOver = true;
      });
    for (let left = 1_000; left > 0 && !isOver; left--) {
      await new Promise((done) => setImmediate(done));
      if (!isOver) this.watched.clock.advance(100);
    }
    if (!isOver) throw new Error('a call does not end');
    return ended;
  }

  /** Ends everything. Returns how many secrets that key services handed out are still alive. */
  async end(): Promise<number> {
    await this.watched.tenants[Symbol.asyncDispose]();
    this.watched.cache[Symbol.dispose]();
    return this.#keys.flatMap((key) => key.handedOut).filter(({ length }) => length > 0).length;
  }
}
