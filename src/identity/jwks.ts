/**
 * The keys of an issuer over time. They are fetched anew in the background, and at once for a token whose key is not
 * among them, so that an issuer may change its keys when it likes.
 *
 *     none ──answer──▶ held      none ──no answer──▶ none     tokens cannot be checked
 *     held ──answer──▶ held      held ──no answer──▶ held     the last good keys stay in use, for a day at most
 */
import { type Backoff, fullJitter } from '../base/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { KeysUnavailable } from './jwks-request.ts';
import type { KeySet } from './jwks-set.ts';

/** Whether the keys could be fetched. */
export type KeysState = 'fetched' | 'unavailable';

/** Where keys come from, and who is told. */
export interface IssuerKeysOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Fetches the keys; ends when the signal does. */
  readonly fetch: (signal: AbortSignal) => Promise<KeySet>;
  /** The keys in use are others than before. */
  readonly onChange: () => void;
  /** Told once per change of state, with what kept the keys away. */
  readonly onState?: (state: KeysState, cause?: unknown) => void;
}

/** Between two fetches in the background, give or take `refreshSpread` of it, in milliseconds. */
const refreshMs = 5 * 60_000;
const refreshSpread = 0.2;
/** After a fetch that failed the next one comes after `askAgainMs` and this much more. */
const retryBackoff: Backoff = { baseMs: 5_000, capMs: 50_000 };
/** Tokens with unknown keys cause no more than one fetch in this time, however many come, in milliseconds. */
const askAgainMs = 10_000;
/** How long a fetch may take, in milliseconds. */
const fetchLimitMs = 5_000;
/** How long keys are good for without a fetch that succeeds, in milliseconds. */
const goodForMs = 24 * 3_600_000;

/** The keys of one issuer. Disposing of it ends their renewal. */
export class IssuerKeys implements Disposable {
  readonly #options: IssuerKeysOptions;
  #held: { readonly keys: KeySet; readonly fetchedAt: number } | undefined;
  #state: KeysState | undefined;
  #flight: Promise<void> | undefined;
  #ending: AbortController | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  /** When a token last caused a fetch, on the monotonic clock. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** The keys that may be used now; undefined where there are none, or they are too old. */
  get current(): KeySet | undefined {
    const held = this.#held;
    if (held === undefined || this.#options.clock.monotonic() - held.fetchedAt >= goodForMs) return undefined;
    return held.keys;
  }

  /** Fetches the keys, or joins a fetch under way. Never rejects: how it ends is the state. */
  refresh(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#flight ??= this.#fetchOnce().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  /**
   * Keys among which the one of this name is. Rejects with `CALLER_UNVERIFIABLE` where there are no keys, or where the
   * name may be newer than those there are; with `CALLER_UNAUTHENTICATED` where the issuer does not list it.
   */
  async with(name: string): Promise<KeySet> {
    const held = this.current;
    if (held?.names.has(name)) return held;
    await this.#askFor(name);
    const now = this.current;
    if (now?.names.has(name)) return now;
    if (now === undefined || this.#state !== 'fetched') throw this.#unverifiable();
    throw new KeyproxyError('CALLER_UNAUTHENTICATED', { detail: unknownKey });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#held = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#ending?.abort(new KeysUnavailable('the daemon is stopping'));
  }

  async #askFor(name: string): Promise<void> {
    // A fetch under way may bring it, or have been sent too early for that.
    await this.#flight;
    if (this.current?.names.has(name)) return;
    const now = this.#options.clock.monotonic();
    if (this.#flight === undefined && now - this.#askedAt >= askAgainMs) {
      this.#askedAt = now;
      void this.refresh();
    }
    await this.#flight;
  }

  async #fetchOnce(): Promise<void> {
    const { clock, fetch } = this.#options;
    this.#timer?.[Symbol.dispose]();
    const ending = new AbortController();
    this.#ending = ending;
    using _limit = clock.after(fetchLimitMs, () => ending.abort(new KeysUnavailable('no answer within 5 s')));
    try {
      this.#succeeded(await untilAborted(fetch(ending.signal), ending.signal));
    } catch (error) {
      this.#failed(error);
    }
  }

  #succeeded(keys: KeySet): void {
    if (this.#closed) return;
    const { clock, random, onChange } = this.#options;
    const before = this.#held?.keys;
    const isSame = before?.fingerprint === keys.fingerprint;
    this.#held = { keys: isSame ? before : keys, fetchedAt: clock.monotonic() };
    this.#failures = 0;
    this.#refreshAfter(refreshMs * (1 + refreshSpread * (2 * random() - 1)));
    if (!isSame) onChange();
    this.#tell('fetched');
  }

  #failed(cause: unknown): void {
    if (this.#closed) return;
    this.#refreshAfter(askAgainMs + fullJitter(retryBackoff, this.#failures++, this.#options.random));
    this.#tell('unavailable', cause);
  }

  #tell(state: KeysState, cause?: unknown): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state, cause);
  }

  #refreshAfter(milliseconds: number): void {
    this.#timer = this.#options.clock.after(milliseconds, () => void this.refresh());
  }

  #unverifiable(): KeyproxyError {
    const rest = this.#askedAt + askAgainMs - this.#options.clock.monotonic();
    return new KeyproxyError('CALLER_UNVERIFIABLE', rest > 0 ? { retryAfterMs: rest } : {});
  }
}

const unknownKey =
  'its token is signed with a key that the issuer does not list; send a service-account token of this cluster';
