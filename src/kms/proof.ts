/**
 * Proof that a key may still be used, for keys that wrap without their service: with the public part of a pair
 * anybody can wrap, also when the customer has long said no. Such a wrap is made only where the service has unwrapped
 * something for us within a bounded time; where it has not, it is asked first.
 */
import type { Clock } from '../base/clock.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { gaveUp, isSilence, KmsError } from './fault.ts';
import type { ProviderName } from './key-service.ts';

/** How a key is proven. */
export interface ProofOptions {
  /** For errors. */
  readonly provider: ProviderName;
  readonly clock: Clock;
  /** How long a proof holds, in milliseconds; 0: every use asks. */
  readonly proofMs: number;
  /**
   * However much real traffic proves: after this time `ask` runs again, in milliseconds, since it sees what traffic does
   * not, a newer version of the key. Where it then gets no answer, the proof that there is stays good.
   */
  readonly askAgainMs: number;
  /**
   * Has the service unwrap something and requires the right answer; throws a `KmsError`. It has to end by a time limit
   * of its own; its signal is aborted when the proof is disposed of, and by nobody who waits.
   */
  readonly ask: (signal: AbortSignal) => Promise<void>;
}

/** The proof of one key. One question is under way at a time, whoever waits for it. */
export class Proof implements Disposable {
  readonly #options: ProofOptions;
  readonly #end = new AbortController();
  /** When the question was sent that was answered yes last, on the monotonic clock. */
  #provenAt = Number.NEGATIVE_INFINITY;
  /** Answers to questions that were sent before this time prove nothing any more. */
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** When a question was last sent; the proof's own beginning before the first. */
  #askedAt: number;
  #question: { readonly sentAt: number; readonly answer: Promise<void> } | undefined;

  constructor(options: ProofOptions) {
    this.#options = options;
    this.#askedAt = options.clock.monotonic();
  }

  /**
   * An unwrap has succeeded that was sent at `sentAt`, of the clock's monotonic time. What counts is when it was sent:
   * an answer may have been long under way, and the customer's no may have come meanwhile.
   */
  succeeded(sentAt: number): void {
    if (sentAt > this.#refusedAt) this.#provenAt = Math.max(this.#provenAt, sentAt);
  }

  /** The service has said no: whatever was asked before now proves nothing any more. */
  refused(): void {
    this.#refusedAt = this.#options.clock.monotonic();
    this.#provenAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Returns at once where there is a proof; else asks, or waits for the question that is under way, unless the service
   * has said no since that was sent. Throws a `KmsError`: what the question failed with, or an outage where `signal`
   * ended the wait.
   */
  async ensure(signal: AbortSignal): Promise<void> {
    if (this.#holds() && !this.#isToAskAgain()) return;
    try {
      await untilAborted(this.#answer(), signal);
    } catch (error) {
      if (isSilence(error) && this.#holds() && !signal.aborted) return;
      throw error instanceof KmsError ? error : this.#gaveUp(error);
    }
  }

  /** Ends a question that is under way. */
  [Symbol.dispose](): void {
    this.#end.abort(new Error('the key has been closed'));
  }

  #holds(): boolean {
    const { clock, proofMs } = this.#options;
    return clock.monotonic() - this.#provenAt < proofMs;
  }

  #isToAskAgain(): boolean {
    const { clock, askAgainMs } = this.#options;
    return clock.monotonic() - this.#askedAt >= askAgainMs;
  }

  /** The answer to a question that was sent after the last no. */
  #answer(): Promise<void> {
    if (this.#question !== undefined && this.#question.sentAt > this.#refusedAt) return this.#question.answer;
    const sentAt = this.#options.clock.monotonic();
    this.#askedAt = sentAt;
    const answer = this.#ask(sentAt).finally(() => {
      if (this.#question === question) this.#question = undefined;
    });
    const question = { sentAt, answer };
    this.#question = question;
    return answer;
  }

  async #ask(sentAt: number): Promise<void> {
    try {
      await this.#options.ask(this.#end.signal);
    } catch (error) {
      // Whatever was answered, it was not yes.
      if (!isSilence(error)) this.refused();
      throw error;
    }
    this.succeeded(sentAt);
  }

  #gaveUp(reason: unknown): KmsError {
    return gaveUp({ provider: this.#options.provider, operation: 'ProveKey' }, reason);
  }
}
