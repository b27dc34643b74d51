/**
 * Certificates of the injector's own: looks every few seconds what the replicas have agreed on, does what is due, and
 * serves what the API server trusts: a certificate whose authority was in all registrations at the look before, so that
 * the API servers have heard of it. What was served before is good until then; who has served nothing yet waits.
 */
import { type Backoff, fullJitter } from '../../base/backoff.ts';
import { type Clock, pause, type Timer } from '../../base/clock.ts';
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
/** How often a look begins anew because another replica was faster, and the waits before that: not all at one time. */
const mostTries = 8;
const again: Backoff = { baseMs: 50, capMs: 400 };

type Look =
  | { readonly kind: 'done' }
  /** A certificate is there that is not served yet. */
  | { readonly kind: 'waiting' }
  /** Somebody else has written `what` meanwhile. */
  | { readonly kind: 'overtaken'; readonly what: string };

export class OwnCertificates implements AsyncDisposable {
  readonly #options: OwnCertificatesOptions;
  readonly #hosts: readonly string[];
  /** The certificate that is served, and those that vouch for it; no keys. */
  #served: { readonly leaf: string; readonly authorities: readonly string[] } | undefined;
  /** The authorities that all bundles had when the look before ended: every API server has heard of those by now. */
  #before: readonly string[] = [];
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  readonly #over = new AbortController();
  /** What was wrong at the last look, so that it is told once. */
  #told: ReadonlySet<string> = new Set();

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
      if (!this.#isOver) this.#timer = this.#options.clock.after(waitMs, () => this.start());
    });
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Looks, tells what is wrong, and gives the time until the next look, in milliseconds. */
  async #look(): Promise<number> {
    const { log, lookMs = defaultLookMs } = this.#options;
    const problems = new Set<string>();
    let waitMs = Math.min(soonMs, lookMs);
    try {
      if ((await this.#lookToTheEnd(problems)) === 'done') waitMs = lookMs;
    } catch (error) {
      problems.add(textOfError(error));
    }
    if (this.#isOver) return waitMs;
    for (const problem of problems) {
      if (!this.#told.has(problem)) log.error({ problem }, 'the certificates could not be looked after');
    }
    this.#told = problems;
    return waitMs;
  }

  async #lookToTheEnd(problems: Set<string>): Promise<'done' | 'waiting'> {
    for (let tries = 1; ; tries++) {
      const look = await this.#lookOnce(problems);
      if (look.kind !== 'overtaken') return look.kind;
      if (tries === mostTries) {
        throw new Error(
          `the API server refused to write ${look.what} ${tries} times in a row, as if somebody else had been faster each time; another controller writes it all the time, or a policy forbids it`,
        );
      }
      await pause(this.#options.clock, fullJitter(again, tries - 1, Math.random), this.#over.signal);
    }
  }

  async #lookOnce(problems: Set<string>): Promise<Look> {
    const { api, names } = this.#options;
    const reads = await Promise.allSettled(
      registrations.map(async (registration) => {
        const bundle = await readBundle(api, names.webhook, registration);
        const { resource, webhook } = registration;
        // Who goes on with the other is at least there for that one.
        if (bundle === undefined) problems.add(`there is no ${webhook} in ${resource}/${names.webhook}`);
        return bundle;
      }),
    );
    const bundles = reads.flatMap((read) => (read.status === 'fulfilled' ? (read.value ?? []) : []));
    try {
      for (const read of reads) if (read.status === 'rejected') throw read.reason;
      if (bundles.length === 0) throw new Error('the webhook is registered nowhere, so nobody would trust it');
      return await this.#follow(bundles);
    } catch (error) {
      // Whatever else is wrong, a Secret that is gone say, what is served stays trusted.
      if (this.#served !== undefined) await this.#complete(bundles, this.#served.authorities);
      throw error;
    }
  }

  /** Sees to it that all bundles have all of `wanted`. Gives the one that has changed meanwhile. */
  async #complete(bundles: readonly TrustBundle[], wanted: readonly string[]): Promise<TrustBundle | undefined> {
    const { api } = this.#options;
    for (const bundle of bundles) {
      if (!(await completeBundle(api, bundle, { wanted, now: api.now() }))) return bundle;
    }
    return undefined;
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
      if (!(await writeSecret(api, place, { read, ring: plan.ring }))) {
        return { kind: 'overtaken', what: `the secret ${place.namespace}/${place.name}` };
      }
      log.info({ secret: place, why: plan.why }, 'the certificates were renewed');
    }
    const ring = plan?.ring ?? read.ring;
    if (ring === undefined) throw new Error('nothing was planned for a secret with nothing in it');
    const authorities = authoritiesOf(ring);
    // What is served is trusted until it is replaced, however many authorities have come since.
    const trusted = new Set([...authorities, ...(this.#served?.authorities ?? [])]);
    const changed = await this.#complete(bundles, [...trusted]);
    if (changed !== undefined) return { kind: 'overtaken', what: changed.path };
    const wasTrusted = this.#before.includes(ring.current.cert);
    this.#before = authorities;
    const isServed = ring.leaf.cert === this.#served?.leaf;
    if (!isServed && !wasTrusted) return { kind: 'waiting' };
    if (this.#isOver) return { kind: 'done' };
    this.#served = { leaf: ring.leaf.cert, authorities };
    if (!isServed) this.#options.onLeaf(ring.leaf);
    return { kind: 'done' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error('the injector ends'));
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
