/**
 * Credentials that renew themselves. Whoever signs a request gets the current ones at once; renewal happens in the
 * background, well before they expire.
 *
 *     none    ──answer──▶ held       none ──no answer──▶ none       a call waits and fails with the outage
 *     held    ──answer──▶ held       held ──no answer──▶ held       valid ones stay in use, renewal tries again
 *     any     ──refusal─▶ refused                                   calls fail with ROLE_DENIED, valid or not
 *     refused ──answer──▶ held                                      asked for by the next call
 *     refused ──no answer──▶ refused                                the last word was no: silence lets no replica in
 *
 * The strings of a credential cannot be wiped; they live as long as the session that they stand for, 900 s at most
 * for a role.
 */
import { type Backoff, fullJitter } from '../base/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { startDeadline } from './deadline.ts';
import { gaveUp, KmsError } from './fault.ts';
import type { ProviderName } from './key-service.ts';

/** What a credential of any provider has. */
export interface Expiring {
  /** Absent: it does not expire. */
  readonly expiration?: Date;
}

/** Where credentials come from. */
export interface RenewingOptions<C extends Expiring> {
  /** For errors. */
  readonly provider: ProviderName;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one renewal may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Gets new credentials, or lengthens the life of those in hand; throws a `KmsError`. */
  readonly fetch: (held: C | undefined) => Promise<C>;
}

type State<C> =
  /** `failed`: what the last attempt ended with, and when, where it was an answer. */
  | { readonly kind: 'none'; readonly failed?: { readonly error: KmsError; readonly at: number } }
  | { readonly kind: 'held'; readonly identity: C }
  | { readonly kind: 'refused'; readonly error: KmsError; readonly at: number };

/** Renewal starts at this part of the remaining life, give or take `renewalSpread` of it. */
const renewalPoint = 2 / 3;
const renewalSpread = 0.1;
/** However short a life is: no two renewals within this time, in milliseconds. */
const shortestPause = 500;
/** Between renewals that got no answer. */
const retryBackoff: Backoff = { baseMs: 1_000, capMs: 30_000 };
/** For this long credentials that were renewed because a service found them stale count as fresh, in milliseconds. */
const freshMs = 1_000;
/**
 * For this long a failure that is an answer, a refusal or a wrong secret say, answers for itself, in milliseconds; after
 * it a call asks again. One call after another would else be one login after another.
 */
const failureHoldsMs = 1_000;

/** The credentials of one identity. Disposing of it ends their renewal. */
export class RenewingCredentials<C extends Expiring> implements Disposable {
  readonly #options: RenewingOptions<C>;
  #state: State<C> = { kind: 'none' };
  #renewal: Promise<C> | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  /** When they were last renewed because a service had found them stale, on the monotonic clock. */
  #freshAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: RenewingOptions<C>) {
    this.#options = options;
  }

  /** When the credentials in hand expire, in milliseconds since 1970; undefined where none are, or they do not. */
  get expiresAtMs(): number | undefined {
    return this.#state.kind === 'held' ? this.#state.identity.expiration?.getTime() : undefined;
  }

  /** The credentials in hand, without any wait. Throws a `KmsError` where there are none that may be used. */
  held(): C {
    if (this.#state.kind === 'refused') throw this.#state.error;
    if (this.#state.kind === 'held') return this.#state.identity;
    throw this.#gaveUp(new Error('there are no credentials yet'));
  }

  /**
   * Credentials that are valid now. Waits only where there are none. Throws a `KmsError`: the refusal, or what kept
   * renewal from an answer; an outage where `signal` ended the wait, or nothing is renewed any more.
   */
  current(signal: AbortSignal): Promise<C> {
    const { clock } = this.#options;
    const state = this.#state;
    if (this.#closed) return Promise.reject(this.#gaveUp(new Error('the credentials have been closed')));
    if (state.kind === 'held' && !isOver(state.identity, clock.now())) return Promise.resolve(state.identity);
    const failed = state.kind === 'none' ? state.failed : state.kind === 'refused' ? state : undefined;
    if (failed !== undefined && clock.monotonic() - failed.at < failureHoldsMs) return Promise.reject(failed.error);
    return this.#joinRenewal(signal);
  }

  /** Renews now, because a service would not take `used`; unless they have been renewed since. */
  renew(used: C, signal: AbortSignal): Promise<C> {
    const state = this.#state;
    if (state.kind === 'held' && state.identity !== used) return Promise.resolve(state.identity);
    return this.#joinRenewal(signal);
  }

  /**
   * As `renew`, but `used` is returned as it is where it is itself the fruit of such a renewal, and fresh. A service that
   * takes no credentials at all, be it by one tenant's configuration, would else have every call log in, on behalf of an
   * identity that other tenants share.
   */
  async renewUnlessFresh(used: C, signal: AbortSignal): Promise<C> {
    const { clock } = this.#options;
    if (this.#inHand() === used && clock.monotonic() - this.#freshAt < freshMs) return used;
    const renewed = await this.renew(used, signal);
    if (renewed !== used) this.#freshAt = clock.monotonic();
    return renewed;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#state = { kind: 'none' };
  }

  async #joinRenewal(signal: AbortSignal): Promise<C> {
    try {
      return await untilAborted(this.#renew(), signal);
    } catch (error) {
      throw error instanceof KmsError ? error : this.#gaveUp(error);
    }
  }

  #renew(): Promise<C> {
    this.#renewal ??= this.#fetchOnce().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #fetchOnce(): Promise<C> {
    const { clock, timeoutMs, fetch } = this.#options;
    try {
      using deadline = startDeadline(clock, timeoutMs);
      const identity = await untilAborted(fetch(this.#inHand()), deadline.signal);
      this.#succeeded(identity);
      return identity;
    } catch (thrown) {
      const error = thrown instanceof KmsError ? thrown : this.#gaveUp(thrown);
      this.#failed(error);
      throw this.#state.kind === 'refused' && error.fault.kind === 'outage' ? this.#state.error : error;
    }
  }

  #succeeded(identity: C): void {
    if (this.#closed) return;
    const { clock, random } = this.#options;
    this.#state = { kind: 'held', identity };
    const life =
      identity.expiration === undefined ? Number.POSITIVE_INFINITY : identity.expiration.getTime() - clock.now();
    if (life <= 0) {
      // Over before it came: this machine's clock is ahead. Asking faster would not help.
      this.#renewAfter(fullJitter(retryBackoff, this.#failures++, random));
      return;
    }
    this.#failures = 0;
    if (life === Number.POSITIVE_INFINITY) return;
    this.#renewAfter(life * (renewalPoint + renewalSpread * (random() - 0.5)));
  }

  #failed(error: KmsError): void {
    if (this.#closed) return;
    if (error.fault.kind === 'refusal') {
      this.#timer?.[Symbol.dispose]();
      this.#state = { kind: 'refused', error, at: this.#options.clock.monotonic() };
    } else if (this.#state.kind === 'held') {
      this.#renewAfter(fullJitter(retryBackoff, this.#failures++, this.#options.random));
    } else if (this.#state.kind === 'none' && error.fault.kind !== 'outage') {
      this.#state = { kind: 'none', failed: { error, at: this.#options.clock.monotonic() } };
    }
  }

  #inHand(): C | undefined {
    return this.#state.kind === 'held' ? this.#state.identity : undefined;
  }

  #gaveUp(reason: unknown): KmsError {
    return gaveUp({ provider: this.#options.provider, operation: 'GetCredentials' }, reason);
  }

  #renewAfter(milliseconds: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#options.clock.after(Math.max(shortestPause, milliseconds), () => {
      // Its outcome is the state; whoever waits for it has joined it.
      this.#renew().catch(() => undefined);
    });
  }
}

function isOver(identity: Expiring, now: number): boolean {
  return identity.expiration !== undefined && identity.expiration.getTime() <= now;
}
