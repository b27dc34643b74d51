/**
 * Gathers concurrent calls into batches. What comes while nothing is under way goes at once and alone; what comes
 * meanwhile waits, and goes together when the answer is there. So a single call is never held up for company, and a
 * storm of them costs the server few requests.
 */
import type { Clock } from '../../base/clock.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { startDeadline } from '../deadline.ts';

/** How one item of a batch ended. */
export type ItemOutcome<Out> =
  | { readonly kind: 'done'; readonly value: Out }
  | { readonly kind: 'failed'; readonly error: unknown };

/** What is done with a batch. */
export interface BatchOptions<In, Out> {
  readonly clock: Clock;
  /** How long one batch may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Does the work: one outcome for each item, in their order. What it throws, all of them fail with. */
  readonly run: (items: readonly In[], signal: AbortSignal) => Promise<readonly ItemOutcome<Out>[]>;
  /** Called with a result whose caller has gone. */
  readonly discard: (value: Out) => void;
}

/** Most items of one batch: their answers stay far below the bound on an answer's size. */
const maxItems = 256;
/** A batch that takes longer than this, in milliseconds, holds up no others: a lost packet is not everybody's. */
const slowMs = 100;
/** Most batches under way, while slow ones are among them. */
const maxUnderWay = 4;

interface Waiting<In, Out> {
  readonly input: In;
  readonly done: (value: Out) => void;
  readonly fail: (error: unknown) => void;
}

/** The batches of one kind of call. */
export class Batches<In, Out> {
  readonly #options: BatchOptions<In, Out>;
  readonly #queue: Waiting<In, Out>[] = [];
  #underWay = 0;
  /** Of those under way, how many no longer hold up others. */
  #slow = 0;

  constructor(options: BatchOptions<In, Out>) {
    this.#options = options;
  }

  /** One item's result. When `signal` ends, it leaves its batch, with the signal's reason; the others go on. */
  async submit(input: In, signal: AbortSignal): Promise<Out> {
    signal.throwIfAborted();
    const { promise, resolve: done, reject: fail } = Promise.withResolvers<Out>();
    const item: Waiting<In, Out> = { input, done, fail };
    this.#queue.push(item);
    const leave = () => this.#leave(item);
    signal.addEventListener('abort', leave, { once: true });
    this.#pump();
    try {
      return await untilAborted(promise, signal);
    } catch (error) {
      promise.then(this.#options.discard, () => undefined);
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** What ends a batch that nobody waits for any more. */
  readonly #controllers = new Map<Waiting<In, Out>, { left: number; readonly controller: AbortController }>();

  #leave(item: Waiting<In, Out>): void {
    const place = this.#queue.indexOf(item);
    if (place >= 0) this.#queue.splice(place, 1);
    const batch = this.#controllers.get(item);
    if (batch === undefined) return;
    batch.left -= 1;
    if (batch.left === 0) batch.controller.abort(new Error('all callers have gone'));
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#underWay - this.#slow < 1 && this.#underWay < maxUnderWay) {
      void this.#run(this.#queue.splice(0, maxItems));
    }
  }

  async #run(items: readonly Waiting<In, Out>[]): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const batch = { left: items.length, controller: new AbortController() };
    for (const item of items) this.#controllers.set(item, batch);
    this.#underWay++;
    let isSlow = false;
    using _timer = clock.after(slowMs, () => {
      isSlow = true;
      this.#slow++;
      this.#pump();
    });
    try {
      using deadline = startDeadline(clock, timeoutMs, batch.controller.signal);
      const inputs = items.map((item) => item.input);
      this.#settle(items, await this.#options.run(inputs, deadline.signal));
    } catch (error) {
      for (const item of items) item.fail(error);
    } finally {
      for (const item of items) this.#controllers.delete(item);
      this.#underWay--;
      if (isSlow) this.#slow--;
      this.#pump();
    }
  }

  #settle(items: readonly Waiting<In, Out>[], outcomes: readonly ItemOutcome<Out>[]): void {
    for (const [index, item] of items.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) item.fail(new Error('an item of a batch has no outcome'));
      else if (outcome.kind === 'failed') item.fail(outcome.error);
      else item.done(outcome.value);
    }
  }
}
