/**
 * Asks the cluster's key, again and again and behind everybody's back, whether it may be used, and under which version
 * it wraps now: one data key that is made and opened again. Whoever wants to know the outcome reads it here and asks
 * nobody.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock, Timer } from '../base/clock.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import { kmsFailure } from '../operations/failures.ts';
import type { Tenant } from '../tenants/tenant.ts';

/** What the last look has found. */
export type Finding = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly failure: KeyproxyError };

export interface KeyProbeOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** The tenant as it is now. */
  readonly tenant: () => Tenant | undefined;
  /** What data is encrypted under: a customer's conditions may be about that. */
  readonly contextOf: (tenant: Tenant) => EncryptionContext;
  /** The key has made and opened a data key. Where it rejects, the look has failed. */
  readonly onSeen: (tenant: Tenant, key: KeyInfo) => Promise<void>;
  /** The look has failed. `failure` is the public one. */
  readonly onFailed: (tenant: Tenant, failure: KeyproxyError, thrown: unknown) => void;
}

const probeBytes = 32;
/** Longest look, in milliseconds; kube-apiserver polls every 10 s where something is wrong. */
const longestMs = 10_000;
/** Longest pause after a look that failed, in milliseconds. */
const retryMs = 10_000;

export class KeyProbe implements AsyncDisposable {
  readonly #options: KeyProbeOptions;
  readonly #end = new AbortController();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #finding: Finding | undefined;

  constructor(options: KeyProbeOptions) {
    this.#options = options;
  }

  /** Undefined before the first look has ended. */
  get finding(): Finding | undefined {
    return this.#finding;
  }

  /** Waits for the first look. */
  async first(): Promise<void> {
    if (this.#finding === undefined) await (this.#looking ?? this.look());
  }

  /** Looks now, or once more where a look is under way: what it has seen may be old. Ends with the last look. */
  async look(): Promise<void> {
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#run();
    await this.#looking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new KeyproxyError('SHUTTING_DOWN'));
    this.#timer?.[Symbol.dispose]();
    await this.#looking;
  }

  async #run(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    try {
      do {
        this.#again = false;
        this.#finding = await this.#lookOnce();
      } while (this.#again && !this.#end.signal.aborted);
    } finally {
      // In the same turn as the loop's last question: whoever comes later has a run of his own.
      this.#looking = undefined;
    }
    if (this.#end.signal.aborted) return;
    const { clock, intervalMs } = this.#options;
    const pause = this.#finding.kind === 'ok' ? intervalMs : Math.min(intervalMs, retryMs);
    this.#timer = clock.after(pause, () => void this.look());
  }

  async #lookOnce(): Promise<Finding> {
    const { clock, tenant: current, onFailed } = this.#options;
    const tenant = current();
    if (tenant === undefined) return { kind: 'failed', failure: new KeyproxyError('TENANT_UNKNOWN') };
    const ending = new AbortController();
    using _late = clock.after(longestMs, () =>
      ending.abort(new KeyproxyError('KEY_SERVICE_UNAVAILABLE', { detail: `no answer within ${longestMs} ms` })),
    );
    try {
      await this.#roundTrip(tenant, AbortSignal.any([ending.signal, this.#end.signal]));
      return { kind: 'ok' };
    } catch (thrown) {
      const failure = kmsFailure(thrown);
      if (!this.#end.signal.aborted) onFailed(tenant, failure, thrown);
      return { kind: 'failed', failure };
    }
  }

  async #roundTrip(tenant: Tenant, signal: AbortSignal): Promise<void> {
    const { contextOf, onSeen } = this.#options;
    const context = contextOf(tenant);
    // While the key is refused its canary asks; a second one who asks would only double the calls.
    tenant.current.expectUsable();
    const { current: key } = (await tenant.keys()).background;
    const made = await key.generate({ length: probeBytes, context, signal });
    using plaintext = made.plaintext;
    using opened = await key.unwrap({ entry: made.entry, context, signal });
    if (!timingSafeEqual(plaintext.reveal(), opened.reveal())) {
      throw new KeyproxyError('INTERNAL', { cause: new Error('the key opens something else than it wrapped') });
    }
    await onSeen(tenant, key.describe(made.entry));
  }
}
