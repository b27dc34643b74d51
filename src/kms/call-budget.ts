/**
 * What one key's service may be asked: so many calls a second, so many at a time. The quota is the customer's own, and
 * others use it too.
 *
 * Tokens: each call takes one, and it comes back one second later, so that no second sees more calls than there are
 * tokens. Three kinds of calls share them:
 *
 *     live         of callers who wait; the first in line
 *     background   renewals ahead of time; leave a fifth of tokens and of places to those who wait
 *     canary       never waits, since a customer's no must be heard in time; what it takes, the others lack
 */
import type { Clock, Timer } from '../base/clock.ts';
import { gaveUp, KmsError } from './fault.ts';
import type { ProviderName } from './key-service.ts';

/** What waits behind what. */
export type Urgency = 'live' | 'background';

/** How much may be asked. */
export interface BudgetOptions {
  /** For errors. */
  readonly provider: ProviderName;
  readonly clock: Clock;
  readonly callsPerSecond: number;
  readonly concurrency: number;
  /** Longest wait of a live call in line, in milliseconds. */
  readonly maxWaitMs: number;
}

/** The right to make one call. Disposing of it ends the call. */
export interface Slot extends Disposable {
  /** The call was not made after all: its token is there again. */
  giveBack(): void;
}

interface Waiter {
  readonly urgency: Urgency;
  readonly admit: (slot: Slot) => void;
  readonly sendAway: () => void;
}

/** A token is back after this time, in milliseconds. */
const tokenMs = 1_000;
/** The part of tokens and places that background calls may take. */
const backgroundShare = 0.8;
/** Longest wait of a background call, in milliseconds: whoever asks for it has time. */
const backgroundWaitMs = 60_000;

/** What a call that was not made is called in errors. */
const waiting = 'WaitForItsTurn';

/** The failure of a call that was not made because there were too many others. */
export class OverBudget extends KmsError {
  constructor(provider: ProviderName, retryAfterMs: number) {
    super({ kind: 'outage', reason: 'KEY_CALLS_OVER_BUDGET', retryAfterMs }, { provider, operation: waiting });
    this.name = 'OverBudget';
  }
}

/** The calls to one key's service. Disposing of it sends everybody away who waits. */
export class CallBudget implements Disposable {
  readonly #options: BudgetOptions;
  /** When the tokens were taken that are not back yet, oldest first, on the monotonic clock. */
  readonly #taken: number[] = [];
  readonly #lines: Readonly<Record<Urgency, Set<Waiter>>> = { live: new Set(), background: new Set() };
  #underWay = 0;
  #wakeUp: Timer | undefined;
  readonly #end = new AbortController();

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /**
   * Waits for its turn. Throws `OverBudget` where the line is longer than could be served in time, or was after all, and
   * an outage where `signal` ended the wait.
   */
  enter(urgency: Urgency, signal: AbortSignal): Promise<Slot> {
    const over = [signal, this.#end.signal].find(({ aborted }) => aborted);
    if (over !== undefined) return Promise.reject(this.#gaveUp(over));
    const before = this.#lines.live.size + (urgency === 'live' ? 0 : this.#lines.background.size);
    if (before === 0 && this.#mayEnter(urgency)) return Promise.resolve(this.#take());
    const waitMs = urgency === 'live' ? this.#options.maxWaitMs : backgroundWaitMs;
    const ahead = this.#lines[urgency].size;
    if (ahead * tokenMs >= waitMs * this.#limits(urgency).tokens) return Promise.reject(this.#overBudget(ahead));
    return this.#waitInLine(urgency, waitMs, signal);
  }

  /** Takes a token and a place at once, also where there is none. */
  enterAtOnce(): Slot {
    return this.#take();
  }

  [Symbol.dispose](): void {
    this.#end.abort(new Error('the key is closed'));
    for (const line of Object.values(this.#lines)) for (const waiter of line) waiter.sendAway();
    this.#wakeUp?.[Symbol.dispose]();
    this.#wakeUp = undefined;
  }

  #waitInLine(urgency: Urgency, waitMs: number, signal: AbortSignal): Promise<Slot> {
    const line = this.#lines[urgency];
    return new Promise((done, fail) => {
      const leave = () => {
        line.delete(waiter);
        timer[Symbol.dispose]();
        signal.removeEventListener('abort', giveUp);
      };
      const giveUp = () => {
        leave();
        fail(this.#gaveUp(signal.aborted ? signal : this.#end.signal));
      };
      const waiter: Waiter = {
        urgency,
        admit(slot) {
          leave();
          done(slot);
        },
        sendAway: giveUp,
      };
      const timer = this.#options.clock.after(waitMs, () => {
        leave();
        fail(this.#overBudget(line.size));
      });
      line.add(waiter);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#wakeUpLater();
    });
  }

  #take(): Slot {
    const takenAt = this.#options.clock.monotonic();
    this.#taken.push(takenAt);
    this.#underWay++;
    let isOver = false;
    return {
      giveBack: () => {
        const at = this.#taken.lastIndexOf(takenAt);
        if (at >= 0) this.#taken.splice(at, 1);
      },
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#underWay--;
        this.#admit();
      },
    };
  }

  #admit(): void {
    for (const line of [this.#lines.live, this.#lines.background]) {
      for (const waiter of line) {
        if (!this.#mayEnter(waiter.urgency)) break;
        waiter.admit(this.#take());
      }
    }
    this.#wakeUpLater();
  }

  /** Wakes up when the oldest token is back, while somebody waits. */
  #wakeUpLater(): void {
    const [oldest] = this.#taken;
    if (this.#wakeUp !== undefined || oldest === undefined) return;
    if (this.#lines.live.size + this.#lines.background.size === 0) return;
    const left = oldest + tokenMs - this.#options.clock.monotonic();
    this.#wakeUp = this.#options.clock.after(Math.max(left, 1), () => {
      this.#wakeUp = undefined;
      this.#admit();
    });
  }

  #mayEnter(urgency: Urgency): boolean {
    const { tokens, places } = this.#limits(urgency);
    return this.#outstanding() < tokens && this.#underWay < places;
  }

  #limits(urgency: Urgency): { tokens: number; places: number } {
    const { callsPerSecond, concurrency } = this.#options;
    if (urgency === 'live') return { tokens: callsPerSecond, places: concurrency };
    const share = (whole: number) => Math.max(1, Math.floor(whole * backgroundShare));
    return { tokens: share(callsPerSecond), places: share(concurrency) };
  }

  /** How many tokens are not back yet. */
  #outstanding(): number {
    const past = this.#options.clock.monotonic() - tokenMs;
    let back = 0;
    while (back < this.#taken.length && (this.#taken[back] ?? 0) <= past) back++;
    if (back > 0) this.#taken.splice(0, back);
    return this.#taken.length;
  }

  #gaveUp({ reason }: AbortSignal): KmsError {
    return gaveUp({ provider: this.#options.provider, operation: waiting }, reason);
  }

  #overBudget(ahead: number): OverBudget {
    return new OverBudget(this.#options.provider, Math.ceil(((ahead + 1) * tokenMs) / this.#options.callsPerSecond));
  }
}
