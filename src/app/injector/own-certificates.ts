/**
 * Certificates of the injector's own: looks every few seconds what the replicas have agreed on, does what is due, and
 * serves what the API server trusts. A certificate by an authority that has just become known is served one look later,
 * when the API servers have heard of it; what was served before is good until then.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { textOfError } from '../../base/system-code.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ApiServer } from './api-server.ts';
import type { Issued } from './authority.ts';
import { readSecret, writeSecret } from './kept-secret.ts';
import { authoritiesOf, type KeyRing, planned } from './key-ring.ts';
import { completeBundle, readBundle, registrations, type TrustBundle, trusts } from './trust-bundle.ts';

export interface OwnCertificatesOptions {
  readonly api: ApiServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly names: {
    readonly namespace: string;
    readonly service: string;
    readonly secret: string;
    readonly webhook: string;
  };
  /** Takes the certificate that is served from now on; the key is wiped when it returns. */
  readonly onLeaf: (leaf: Issued) => void;
  /** Time between two looks, in milliseconds. */
  readonly lookMs?: number;
  /** How long a next authority is only trusted, in milliseconds. */
  readonly settleMs?: number;
}

const defaultLookMs = 10_000;
/** Before the next look where one failed, or a certificate waits to be served, in milliseconds. */
const soonMs = 2000;
/** How often a look begins anew because another replica was faster. */
const mostTries = 8;

type Look = 'done' | 'waiting' | 'overtaken';

export class OwnCertificates implements AsyncDisposable {
  readonly #options: OwnCertificatesOptions;
  readonly #hosts: readonly string[];
  /** The certificate that is served, and those that vouch for it; no keys. */
  #served: { readonly leaf: string; readonly authorities: readonly string[] } | undefined;
  /** The bundles as the look before has seen them: every API server has heard of those by now. */
  #before: readonly TrustBundle[] = [];
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;
  /** What was wrong at the last look, so that it is told once. */
  #trouble: string | undefined;

  constructor(options: OwnCertificatesOptions) {
    this.#options = options;
    const { service, namespace } = options.names;
    this.#hosts = [
      `${service}.${namespace}.svc`,
      `${service}.${namespace}`,
      `${service}.${namespace}.svc.cluster.local`,
    ];
  }

  /** Begins to look, and goes on until it is disposed of. */
  start(): void {
    this.#looking = this.#look().then((waitMs) => {
      if (!this.#stopped) this.#timer = this.#options.clock.after(waitMs, () => this.start());
    });
  }

  async #look(): Promise<number> {
    const { log, lookMs = defaultLookMs } = this.#options;
    try {
      for (let tries = 0; tries < mostTries && !this.#stopped; tries++) {
        const look = await this.#lookOnce();
        if (look === 'overtaken') continue;
        this.#trouble = undefined;
        return look === 'waiting' ? Math.min(soonMs, lookMs) : lookMs;
      }
    } catch (error) {
      const problem = textOfError(error);
      if (problem !== this.#trouble && !this.#stopped)
        log.error({ problem }, 'the certificates could not be looked after');
      this.#trouble = problem;
    }
    return Math.min(soonMs, lookMs);
  }

  async #lookOnce(): Promise<Look> {
    const { api, names } = this.#options;
    const reads = await Promise.allSettled(
      registrations.map((registration) => readBundle(api, names.webhook, registration)),
    );
    const bundles = reads.flatMap((read) => (read.status === 'fulfilled' ? [read.value] : []));
    try {
      for (const read of reads) if (read.status === 'rejected') throw read.reason;
      return await this.#follow(bundles);
    } catch (error) {
      // Whatever else is wrong, a Secret that is gone say, what is served stays trusted.
      if (this.#served !== undefined) await this.#complete(bundles, this.#served.authorities);
      throw error;
    }
  }

  /** Whether all bundles have all of `wanted` now. */
  async #complete(bundles: readonly TrustBundle[], wanted: readonly string[]): Promise<boolean> {
    const { api } = this.#options;
    for (const bundle of bundles) {
      if (!(await completeBundle(api, bundle, { wanted, now: api.now() }))) return false;
    }
    return true;
  }

  async #follow(bundles: readonly TrustBundle[]): Promise<Look> {
    const { api, names, log } = this.#options;
    const place = { namespace: names.namespace, name: names.secret };
    const read = await readSecret(api, place);
    using keys = new Keys(read.ring);
    // Not this machine's: a clock that is fast would make certificates that nobody else takes yet.
    const now = api.now();
    const isTrusted = (cert: string) => bundles.every((bundle) => trusts(bundle, cert));
    const plan = await planned(read.ring, { hosts: this.#hosts, now, isTrusted, settleMs: this.#options.settleMs });
    if (plan !== undefined) {
      keys.add(plan.ring);
      if (!(await writeSecret(api, place, { read, ring: plan.ring }))) return 'overtaken';
      log.info({ secret: place, why: plan.why }, 'the certificates were renewed');
    }
    const ring = plan?.ring ?? read.ring;
    if (ring === undefined) return 'overtaken';
    const authorities = authoritiesOf(ring);
    if (!(await this.#complete(bundles, authorities))) return 'overtaken';
    const wasTrusted = this.#before.length > 0 && this.#before.every((bundle) => trusts(bundle, ring.current.cert));
    this.#before = bundles;
    const isServed = ring.leaf.cert === this.#served?.leaf;
    if (!isServed && !wasTrusted && this.#served !== undefined) return 'waiting';
    if (this.#stopped) return 'done';
    this.#served = { leaf: ring.leaf.cert, authorities };
    if (isServed) return 'done';
    this.#options.onLeaf(ring.leaf);
    return 'done';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#looking;
  }
}

/** The keys that one look has in its hands, wiped at its end. */
class Keys implements Disposable {
  readonly #keys: Buffer[] = [];

  constructor(ring: KeyRing | undefined) {
    if (ring !== undefined) this.add(ring);
  }

  add({ current, next, leaf }: KeyRing): void {
    this.#keys.push(current.key, leaf.key, ...(next === undefined ? [] : [next.key]));
  }

  [Symbol.dispose](): void {
    for (const key of this.#keys) key.fill(0);
  }
}
