/** A limit of calls under a random crowd, and a model beside it that looks at each admission. */
import { CallBudget, OverBudget, type Slot, type Urgency } from '../../src/kms/call-budget.ts';
import { FakeClock } from './fake-clock.ts';

/** One who wants to make a call. */
export interface Visit {
  /** After the one before. */
  readonly gapMs: number;
  readonly way: Urgency | 'canary';
  readonly durationMs: number;
  /** Gives up after so long, call or no call; null for never. */
  readonly patienceMs: number | null;
  /** Whether it makes its call; it gives its token back otherwise. */
  readonly isMade: boolean;
}

interface Call {
  readonly visit: Visit;
  readonly at: number;
}

interface Limits {
  readonly callsPerSecond: number;
  readonly concurrency: number;
  readonly maxWaitMs: number;
}

export class BudgetWorld {
  readonly clock = new FakeClock();
  /** Rules that were broken, in words. */
  readonly broken: string[] = [];
  readonly outcomes = { admitted: 0, overBudget: 0, gaveUp: 0 };
  readonly #limits: Limits;
  readonly #budget: CallBudget;
  readonly #waiting: Visit[] = [];
  /** All that were admitted and did not give their token back. */
  readonly #calls: Call[] = [];
  readonly #underWay = new Set<Call>();

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#budget = new CallBudget({ provider: 'local', clock: this.clock, ...limits });
  }

  /** Lets all of them come, one after the other, and waits until the last has gone. */
  async play(visits: readonly Visit[]): Promise<void> {
    for (const visit of visits) {
      await this.#pass(visit.gapMs);
      this.#come(visit);
      await microtasks();
    }
    // The longest wait of all is that of a background call.
    for (let i = 0; i < 70 && this.clock.timers > 0; i++) await this.#pass(1_000);
    this.#budget[Symbol.dispose]();
  }

  /** Millisecond by millisecond, since those whom a timer admits hear of it by promises. */
  async #pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.clock.advance(1);
      await microtasks();
    }
  }

  #come(visit: Visit): void {
    if (visit.way === 'canary') {
      this.#admitted(visit, this.#budget.enterAtOnce());
      return;
    }
    const controller = new AbortController();
    const giveUp =
      visit.patienceMs === null ? undefined : this.clock.after(visit.patienceMs, () => controller.abort(new Error()));
    this.#waiting.push(visit);
    this.#budget.enter(visit.way, controller.signal).then(
      (slot) => {
        giveUp?.[Symbol.dispose]();
        this.#leaveLine(visit);
        this.#admitted(visit, slot);
      },
      (error) => {
        giveUp?.[Symbol.dispose]();
        this.#leaveLine(visit);
        this.outcomes[error instanceof OverBudget ? 'overBudget' : 'gaveUp']++;
        if (error instanceof OverBudget) this.#check(hasTime(error), 'a retry at once was advised');
      },
    );
  }

  #leaveLine(visit: Visit): void {
    this.#waiting.splice(this.#waiting.indexOf(visit), 1);
  }

  #admitted(visit: Visit, slot: Slot): void {
    const call = { visit, at: this.clock.monotonic() };
    this.outcomes.admitted++;
    this.#calls.push(call);
    this.#underWay.add(call);
    if (visit.way !== 'canary') this.#checkAdmission(visit, visit.way);
    this.clock.after(visit.durationMs, () => {
      this.#underWay.delete(call);
      if (!visit.isMade) {
        this.#calls.splice(this.#calls.indexOf(call), 1);
        slot.giveBack();
      }
      slot[Symbol.dispose]();
    });
  }

  /** Where a canary has taken what there was, others wait: so each admission is inside the limits of its kind. */
  #checkAdmission({ way }: Visit, urgency: Urgency): void {
    const { callsPerSecond, concurrency } = this.#limits;
    const part = (whole: number) => (urgency === 'live' ? whole : Math.max(1, Math.floor(whole * 0.8)));
    const since = this.clock.monotonic() - 1_000;
    const inThisSecond = this.#calls.filter(({ at }) => at > since).length;
    this.#check(inThisSecond <= part(callsPerSecond), `${way}: ${inThisSecond} calls in a second`);
    this.#check(this.#underWay.size <= part(concurrency), `${way}: ${this.#underWay.size} at a time`);
    const isLiveWaiting = this.#waiting.some((other) => other.way === 'live');
    this.#check(urgency === 'live' || !isLiveWaiting, 'background went before live');
  }

  #check(holds: boolean, rule: string): void {
    if (!holds) this.broken.push(`${this.clock.monotonic()} ms: ${rule}`);
  }
}

function hasTime({ fault }: OverBudget): boolean {
  return fault.kind === 'outage' && fault.retryAfterMs !== undefined && fault.retryAfterMs > 0;
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 4; i++) await undefined;
}
