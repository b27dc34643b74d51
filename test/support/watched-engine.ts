/**
 * The engine with all that stands between it and a key service, as the daemon puts it together: watches, canaries,
 * limits of calls, circuit breakers, retries. Key services are in memory, the clock is moved by hand.
 */
import type { KeyOpener, KeyUse } from '../../src/app/key-services.ts';
import type { KnownRefusal } from '../../src/app/tenant-watches.ts';
import { type TenantKeyChange, TenantSet } from '../../src/app/tenants.ts';
import { parseTenantFile } from '../../src/config/tenant-file.ts';
import { guarded } from '../../src/kms/guarded.ts';
import { type KeyConfig, keyIdOf } from '../../src/kms/key-config.ts';
import { type KmsCall, observed } from '../../src/kms/observed.ts';
import type { Tenant } from '../../src/tenants/tenant.ts';
import { FakeEngine } from './fake-engine.ts';
import type { FakeKeyService } from './fake-key-service.ts';

/** A tenant of one key, and what its file says beside it. */
export interface WatchedTenant {
  readonly id?: string;
  readonly current: FakeKeyService;
  readonly replicas?: readonly FakeKeyService[];
  readonly retired?: readonly FakeKeyService[];
  /** Lines under `encryption`. */
  readonly more?: string;
}

export class WatchedEngine extends FakeEngine {
  /** Changes of keys, as one line each. */
  readonly changes: string[] = [];
  /** Calls to key services, in order: operation and outcome. */
  readonly calls: string[] = [];
  readonly tenants: TenantSet;
  readonly #services = new Map<string, FakeKeyService>();

  constructor(options: { readonly known?: readonly KnownRefusal[]; readonly random?: () => number } = {}) {
    super();
    const { registry, cache, clock } = this;
    const random = options.random ?? (() => 0.5);
    const services: KeyOpener = { open: async (config, use) => this.#open(config, use, random) };
    this.tenants = new TenantSet({
      ...{ registry, cache, clock, random, services },
      known: options.known ?? [],
      environment: 'test',
      onSegregation() {},
      onCircuit: ({ key }, state) => this.changes.push(`${key} ${state}`),
      onKmsCall: (_tenant, call) => this.calls.push(describe(call)),
      onChange: () => undefined,
      onKeyChange: (change) => this.changes.push(tell(change)),
    });
  }

  /** Serves a tenant, `a` where no other name is given, as the daemon would, in the place of one of the same name. */
  watch({ id = 'a', current, replicas = [], retired = [], more = '' }: WatchedTenant): Tenant {
    this.provide(current, ...replicas, ...retired);
    const block = ({ keyId }: FakeKeyService) => `{ key_name: ${keyId}, key_file: none }`;
    const list = (keys: readonly FakeKeyService[]) =>
      keys.map((key) => `{ provider: local, local: ${block(key)} }`).join(', ');
    const text = `
customer: c
tenant_id: ${id}
encryption:
  provider: local
  local: ${block(current)}
  replicas: [${list(replicas)}]
  retired: [${list(retired)}]
${more}`;
    const { config, problems } = parseTenantFile(text, `${id}.yaml`, { allowLocal: true, trustedEndpoints: [] });
    if (config === undefined) throw new Error(JSON.stringify(problems));
    this.tenants.put(config);
    const tenant = this.registry.find(config.tenantId);
    if (tenant === undefined) throw new Error('the tenant is not served');
    return tenant;
  }

  /** What is opened from now on under the names of these keys. */
  provide(...keys: readonly FakeKeyService[]): void {
    for (const key of keys) this.#services.set(key.keyId, key);
  }

  /** Moves time on in steps, and lets what falls due run to its end in between. */
  async pass(ms: number, stepMs = 1_000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      await settled();
    }
  }

  /** Moves time on until a call has ended that waits for some of it. */
  async during<T>(call: Promise<T>): Promise<T> {
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    call.then(end, end);
    for (let i = 0; i < 1_000 && !isOver; i++) await this.pass(100, 100);
    return call;
  }

  #open(config: KeyConfig, use: KeyUse, random: () => number) {
    const service = this.#services.get(keyIdOf(config));
    if (service === undefined) throw new Error('no such key');
    const { clock } = this;
    const { around = (calls) => calls, timeoutMs, callsPerSecond, concurrency, intervalMs } = use;
    return guarded(
      { calls: around(observed(service, clock, use.report)), canary: observed(service, clock, use.report, 'canary') },
      {
        ...{ clock, random, timeoutMs, callsPerSecond, concurrency },
        ...(use.expectUsable && { expectUsable: use.expectUsable }),
        breaker: { longestPauseMs: intervalMs, ...(use.onCircuit && { onChange: use.onCircuit }) },
      },
    );
  }
}

/** Lets all promises that can be settled be settled. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((done) => setImmediate(done));
}

function describe({ operation, outcome }: KmsCall): string {
  return `${operation} ${outcome}`;
}

function tell({ watch, change, wiped }: TenantKeyChange): string {
  const reason = 'refusal' in change ? ` ${change.refusal.reason}` : '';
  return `${watch.keyId} ${change.kind}${reason}${wiped > 0 ? `, ${wiped} wiped` : ''}`;
}
