/** The engine over key services in memory, where chance gives each cached key a time of its own to be renewed. */

import { verbs } from '../../src/base/verb.ts';
import { KeyCache } from '../../src/dek/key-cache.ts';
import type { Engine } from '../../src/operations/engine.ts';
import { Standings } from '../../src/operations/standing.ts';
import type { TenantKey } from '../../src/operations/tenant-key.ts';
import { TenantKeys } from '../../src/operations/tenant-keys.ts';
import { FakeEngine, noLimits } from './fake-engine.ts';
import { seededRandom } from './seeded-random.ts';

const written = () => Promise.resolve();

export class SpreadEngine extends FakeEngine {
  override readonly cache: KeyCache<TenantKey>;
  override readonly engine: Engine;

  constructor(seed: number) {
    super();
    const { clock, registry, lifetime } = this;
    this.cache = new KeyCache<TenantKey>({ clock, random: seededRandom(seed), maxBytes: 64 * 1024 * 1024 });
    // A day has millions of events: none is kept.
    const observer = {
      ...{ cacheAsked() {}, dekGenerated() {}, failedOver() {}, decryptionEnded() {} },
      ...{ accessDenied() {}, operationFailed() {} },
    };
    const keys = new TenantKeys({ cache: this.cache, clock, observer, lifetime: lifetime.signal });
    const audit = { begin: () => ({ begun: written, end: written }), note: written };
    const standings = new Standings({ access: () => () => new Set(verbs), limits: noLimits });
    this.engine = { registry, keys, clock, observer, standings, audit };
  }
}
