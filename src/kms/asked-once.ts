/** What all calls need to know and one question answers: asked for by the first, waited for by all. */
import { untilAborted } from '../base/until-aborted.ts';

/** An answer that is asked for when it is first needed, and kept until it is forgotten. */
export class AskedOnce<T> {
  readonly #ask: () => Promise<T>;
  #known: { readonly answer: T } | undefined;
  #asking: Promise<T> | undefined;

  /** `ask` has to end by a time limit of its own: it is everybody's, and goes on when one of those who wait gives up. */
  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** The answer. Rejects with what `ask` failed with, and with the signal's reason where `signal` ended the wait. */
  async get(signal: AbortSignal): Promise<T> {
    if (this.#known !== undefined) return this.#known.answer;
    this.#asking ??= this.#question();
    return await untilAborted(this.#asking, signal);
  }

  /** The answer is known from elsewhere. */
  learned(answer: T): void {
    this.#asking = undefined;
    this.#known = { answer };
  }

  /** The answer has turned out to be wrong: the next call asks again, also where a question is under way. */
  forget(): void {
    this.#asking = undefined;
    this.#known = undefined;
  }

  #question(): Promise<T> {
    const question = this.#ask().then(
      (answer) => {
        if (this.#asking === question) this.learned(answer);
        return answer;
      },
      (error) => {
        if (this.#asking === question) this.#asking = undefined;
        throw error;
      },
    );
    return question;
  }
}
