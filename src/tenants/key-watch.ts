/**
 * What is known of one key of a tenant: whether its customer lets keyproxy use it. Answers of live calls and of the
 * canary come in; what is cached under the key lives and dies by what follows from them (docs/revocation.md).
 *
 *     active   ──canary refused, or a no that is plainly key-wide──▶ refused    the epoch moves, keys are wiped
 *     active   ──no proof for too long─────────────────────────────▶ unproven   keys stay, nothing is served
 *     unproven ──canary says yes───────────────────────────────────▶ active
 *     refused  ──canary says yes───────────────────────────────────▶ active     by itself
 *
 * Silence changes nothing but the time without proof. A proof is an unwrap that succeeded, and counts from when it was
 * sent: what was sent before a no, and says yes after it, proves nothing.
 */
import type { Clock } from '../base/clock.ts';
import { KmsError } from '../kms/fault.ts';
import type { ProviderName } from '../kms/key-service.ts';
import { CanaryPace } from './canary-pace.ts';
import { Doubt } from './doubt.ts';
import { type Refusal, refusalBy } from './refusal.ts';
import type { Samples } from './samples.ts';

/** Whether a key may be used. */
export type KeyState =
  | { readonly kind: 'active' }
  /** Its service has been silent for longer than the tenant's file allows. */
  | { readonly kind: 'unproven' }
  /** Its service said no. */
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What happened to a key. */
export type KeyChange =
  /** `unprovenMs`: how long the last proof was ago, which bounds how long keys were served after the no. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly unprovenMs: number }
  | { readonly kind: 'recovered'; readonly refusal: Refusal }
  | { readonly kind: 'unproven' }
  | { readonly kind: 'proven' }
  /** The canary could not be asked, for a reason that is neither no nor silence. */
  | { readonly kind: 'unclear'; readonly failure?: KmsError };

/** How often a key is asked, and for how long it may go without an answer, in milliseconds. */
export interface WatchTerms {
  readonly intervalMs: number;
  readonly maxUnprovenMs: number;
}

export interface KeyWatchOptions {
  readonly provider: ProviderName;
  readonly keyId: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly terms: WatchTerms;
  /** Whether data keys of this key are cached: only then is it asked, and while its service is silent. */
  readonly isHolding: () => boolean;
  readonly onChange: (change: KeyChange) => void;
  /** A no that an earlier process heard. */
  readonly refusal?: Refusal;
  /** What the key was used for, in this process or in an earlier one. */
  readonly samples: Samples;
}

/** Asks the key's service whether the key may still be used; returns where it said yes, and throws everything else. */
export type AskCanary = (signal: AbortSignal) => Promise<void>;

/** A key that is open. */
export interface OpenKey {
  readonly ask: AskCanary;
  /** Whether calls to its service fail at once, since it gives no answer. */
  readonly isSilent: () => boolean;
}

/** Between two questions that live calls ask for, in milliseconds. */
const leastPauseMs = 1_000;

export class KeyWatch implements Disposable {
  readonly provider: ProviderName;
  readonly keyId: string;
  /** Where the canary cannot be made, these are opened in its place. */
  readonly samples: Samples;
  readonly #options: KeyWatchOptions;
  readonly #pace: CanaryPace;
  readonly #doubt: Doubt;
  readonly #end = new AbortController();
  #terms: WatchTerms;
  #state: KeyState;
  #epoch = 0;
  /** When the unwrap was sent that succeeded last, on the monotonic clock. */
  #provenAt = Number.NEGATIVE_INFINITY;
  /**
   * The time without proof counts from here: from the last proof, or from when the first data key was cached. Undefined
   * while nothing is: then every call is its own proof.
   */
  #trustedAt: number | undefined;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #key: OpenKey | undefined;
  #asking: { readonly sentAt: number; readonly end: Promise<void> } | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** When the last call was sent that asked for the canary: only a proof that was sent after it makes that needless. */
  #questionedAt = Number.NEGATIVE_INFINITY;

  constructor(options: KeyWatchOptions) {
    this.#options = options;
    this.provider = options.provider;
    this.keyId = options.keyId;
    this.samples = options.samples;
    this.#terms = withRoomToAsk(options.terms);
    const { clock, random, refusal } = options;
    this.#state = refusal === undefined ? { kind: 'active' } : { kind: 'refused', refusal };
    this.#pace = new CanaryPace({ clock, random, run: () => this.#due() });
    this.#doubt = new Doubt(clock);
  }

  get state(): KeyState {
    return this.#state;
  }

  /** Moves with every refusal: what was fetched under another epoch must not be given out any more. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Throws the `KmsError` that calls end with while the key may not be used. */
  expectUsable(): void {
    switch (this.#state.kind) {
      case 'active':
        return;
      case 'refused':
        throw this.#state.refusal.error;
      case 'unproven':
        throw this.#unproven();
    }
  }

  /** How it is asked from now on. */
  set terms(terms: WatchTerms) {
    const before = this.#terms.intervalMs;
    this.#terms = withRoomToAsk(terms);
    if (this.#terms.intervalMs < before && this.#pace.isRunning) this.#pace.soon(this.#terms.intervalMs);
  }

  /** The key is open: from now on it can be asked by `key`, in the place of what was there before. */
  attach(key: OpenKey): void {
    this.#key = key;
    if (this.#state.kind === 'refused') this.#pace.soon(leastPauseMs);
    else if (this.#options.isHolding()) this.kept();
  }

  /** A data key of this key has been cached. */
  kept(): void {
    this.#trustedAt ??= this.#now();
    this.#askInTime();
  }

  /** The key's service has gone silent. It is asked until it is heard, or nobody would find that out but by a call. */
  wentSilent(): void {
    this.#askInTime();
  }

  /** A live unwrap under the version that new data goes under has succeeded. */
  proven(sentAt: number): void {
    if (sentAt <= this.#refusedAt) return;
    this.#provenAt = Math.max(this.#provenAt, sentAt);
    if (this.#trustedAt !== undefined) this.#trustedAt = Math.max(this.#trustedAt, sentAt);
  }

  /**
   * A live call has failed that was sent at `sentAt`. A no that a later yes has overtaken, or that may be one to this
   * call alone, asks the canary.
   */
  failed(error: unknown, sentAt: number): void {
    if (!(error instanceof KmsError) || this.#end.signal.aborted) return;
    const { fault } = error;
    if (fault.kind === 'refusal' && fault.keyWide && sentAt >= this.#provenAt) this.#refuse(error);
    else if (fault.kind === 'refusal') this.#askSoon(sentAt);
    else if (fault.kind === 'ambiguous') {
      this.#doubt.rise();
      this.#askSoon(sentAt);
    } else this.#doubt.settleBy(error);
  }

  /** Asks the canary now, or joins the question that is under way; ends when it has been answered, whatever was said. */
  async ask(): Promise<void> {
    const key = this.#key;
    if (key === undefined || this.#end.signal.aborted) return;
    this.#asking ??= this.#question(key.ask);
    await this.#asking.end;
  }

  [Symbol.dispose](): void {
    this.#end.abort(new Error('the key is watched no longer'));
    this.#pace[Symbol.dispose]();
  }

  /** Within an interval, unless it is asked already. */
  #askInTime(): void {
    if (this.#key === undefined || this.#asking !== undefined || this.#end.signal.aborted) return;
    this.#pace.startUnlessRunning(this.#terms.intervalMs);
  }

  #due(): void {
    this.#expectProof();
    const isRefused = this.#state.kind === 'refused';
    // What only a canary's yes ends is asked for also where the last data key has run out meanwhile.
    if (this.#state.kind === 'active' && !this.#doubt.isRaised && !this.#isOfInterest()) return;
    // Traffic that has just proved the same makes the question needless.
    const isOpen = isRefused || this.#doubt.isRaised || this.#questionedAt > this.#provenAt;
    if (!isOpen && this.#pace.holdsFrom(this.#provenAt, this.#terms.intervalMs)) return;
    void this.ask();
  }

  #isOfInterest(): boolean {
    return this.#options.isHolding() || this.#key?.isSilent() === true;
  }

  #question(ask: AskCanary) {
    const sentAt = this.#now();
    this.#askedAt = sentAt;
    this.#pace.stop();
    const end = this.#outcome(ask, sentAt).finally(() => {
      this.#asking = undefined;
    });
    return { sentAt, end };
  }

  async #outcome(ask: AskCanary, sentAt: number): Promise<void> {
    try {
      await ask(this.#end.signal);
      this.#yes(sentAt);
    } catch (error) {
      this.#notYes(error);
    }
    this.#expectProof();
    this.#plan(sentAt);
  }

  #yes(sentAt: number): void {
    // Somebody heard a no meanwhile that was said after this yes.
    if (sentAt <= this.#refusedAt) return;
    this.proven(sentAt);
    this.#doubt.settle();
    const before = this.#state;
    this.#state = { kind: 'active' };
    if (before.kind === 'refused') this.#options.onChange({ kind: 'recovered', refusal: before.refusal });
    if (before.kind === 'unproven') this.#options.onChange({ kind: 'proven' });
  }

  #notYes(error: unknown): void {
    if (this.#end.signal.aborted) return;
    if (!(error instanceof KmsError)) {
      this.#options.onChange({ kind: 'unclear' });
      return;
    }
    switch (error.fault.kind) {
      case 'refusal':
        this.#refuse(error);
        return;
      case 'outage':
        this.#doubt.settleBy(error);
        return;
      case 'ambiguous':
        if (this.#doubt.rise() === 'lasting') this.#refuse(error);
        return;
      default:
        this.#options.onChange({ kind: 'unclear', failure: error });
    }
  }

  #refuse(error: KmsError): void {
    if (this.#state.kind === 'refused') return;
    const { clock, onChange } = this.#options;
    const refusal = refusalBy(error, clock.now());
    this.#epoch++;
    this.#state = { kind: 'refused', refusal };
    this.#refusedAt = this.#now();
    this.#doubt.settle();
    this.#pace.startAnew();
    onChange({ kind: 'refused', refusal, unprovenMs: this.#refusedAt - (this.#trustedAt ?? this.#refusedAt) });
    this.#trustedAt = undefined;
    if (this.#asking === undefined) this.#pace.soon(leastPauseMs);
  }

  #askSoon(sentAt: number): void {
    if (this.#state.kind === 'refused') return;
    this.#questionedAt = Math.max(this.#questionedAt, sentAt);
    if (this.#asking !== undefined && this.#asking.sentAt >= sentAt) return;
    const left = this.#askedAt + leastPauseMs - this.#now();
    if (left <= 0 && this.#asking === undefined) void this.ask();
    else this.#pace.soon(Math.max(left, 0));
  }

  /** When to ask next: an interval after a yes, sooner and then less often after anything else. */
  #plan(sentAt: number): void {
    const { intervalMs, maxUnprovenMs } = this.#terms;
    const isYes = this.#provenAt >= sentAt && this.#state.kind === 'active';
    if (isYes) this.#pace.afterYes(sentAt, intervalMs);
    else if (this.#state.kind === 'refused') this.#pace.afterNo(intervalMs, leastPauseMs);
    else this.#pace.afterNo(intervalMs, intervalMs / 8);
    if (this.#doubt.endsAt > this.#now()) this.#pace.notAfter(this.#doubt.endsAt);
    if (this.#state.kind === 'active' && this.#trustedAt !== undefined) {
      this.#pace.notAfter(this.#trustedAt + maxUnprovenMs);
    }
  }

  #expectProof(): void {
    if (!this.#options.isHolding()) this.#trustedAt = undefined;
    if (this.#state.kind !== 'active' || this.#trustedAt === undefined) return;
    if (this.#now() - this.#trustedAt < this.#terms.maxUnprovenMs) return;
    this.#state = { kind: 'unproven' };
    this.#options.onChange({ kind: 'unproven' });
  }

  #unproven(): KmsError {
    return new KmsError(
      { kind: 'outage', reason: 'KEY_UNPROVEN', retryAfterMs: this.#terms.intervalMs / 2 },
      { provider: this.provider, operation: 'Canary' },
    );
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}

/** A key is asked at least twice in the time that it may go without proof: one lost answer takes no tenant down. */
function withRoomToAsk({ intervalMs, maxUnprovenMs }: WatchTerms): WatchTerms {
  return { intervalMs: Math.min(intervalMs, maxUnprovenMs / 2), maxUnprovenMs };
}
