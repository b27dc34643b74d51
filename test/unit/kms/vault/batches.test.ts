import { describe, expect, it } from 'vitest';
import { Batches, type ItemOutcome } from '../../../../src/kms/vault/batches.ts';
import { ManualClock, settled } from '../manual-clock.ts';

const never = new AbortController().signal;

/** A server that answers when told, and keeps what it was asked. */
class Server {
  readonly clock = new ManualClock();
  readonly asked: (readonly number[])[] = [];
  readonly discarded: number[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #answers: ((outcomes: readonly ItemOutcome<number>[] | Error) => void)[] = [];
  readonly batches = new Batches<number, number>({
    clock: this.clock,
    timeoutMs: 2_000,
    discard: (value) => this.discarded.push(value),
    run: (items, signal) => {
      this.asked.push(items);
      this.signals.push(signal);
      return new Promise((done, fail) => {
        this.#answers.push((outcomes) => (outcomes instanceof Error ? fail(outcomes) : done(outcomes)));
        signal.addEventListener('abort', () => fail(signal.reason));
      });
    },
  });

  /** Answers the batch of this number: ten times each item, but `bad` fails. */
  async answer(number: number, bad?: number): Promise<void> {
    const items = this.asked[number] ?? [];
    this.#answers[number]?.(
      items.map((item) =>
        item === bad ? { kind: 'failed', error: new Error('bad item') } : { kind: 'done', value: 10 * item },
      ),
    );
    await settled();
  }

  async fail(number: number, error: Error): Promise<void> {
    this.#answers[number]?.(error);
    await settled();
  }
}

describe('batches', () => {
  it('send a call alone and at once while nothing is under way, and gather those that come meanwhile', async () => {
    const server = new Server();
    const calls = [1, 2, 3, 4].map((item) => server.batches.submit(item, never));
    expect(server.asked).toEqual([[1]]);
    await server.answer(0);
    expect(server.asked).toEqual([[1], [2, 3, 4]]);
    await server.answer(1);
    expect(await Promise.all(calls)).toEqual([10, 20, 30, 40]);
    const later = server.batches.submit(5, never);
    expect(server.asked.at(-1)).toEqual([5]);
    await server.answer(2);
    expect(await later).toBe(50);
  });

  it('are bounded', async () => {
    const server = new Server();
    const calls = Array.from({ length: 600 }, (_, item) => server.batches.submit(item, never));
    for (const number of [0, 1, 2, 3]) await server.answer(number);
    expect(server.asked.map((items) => items.length)).toEqual([1, 256, 256, 87]);
    expect((await Promise.all(calls)).at(-1)).toBe(5_990);
  });

  it('fail one bad item and no other', async () => {
    const server = new Server();
    const calls = [1, 2, 3].map((item) => server.batches.submit(item, never));
    const outcomes = Promise.allSettled(calls);
    await server.answer(0);
    await server.answer(1, 2);
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('that fail as a whole fail for all, and leave the way free', async () => {
    const server = new Server();
    const outcomes = Promise.allSettled([1, 2, 3].map((item) => server.batches.submit(item, never)));
    await server.answer(0);
    await server.fail(1, new Error('gone'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    void server.batches.submit(4, never);
    expect(server.asked.at(-1)).toEqual([4]);
  });

  it('lose a caller who gives up before they are sent, and keep the others', async () => {
    const server = new Server();
    const controller = new AbortController();
    const first = server.batches.submit(1, never);
    const second = server.batches.submit(2, controller.signal);
    const third = server.batches.submit(3, never);
    controller.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    await server.answer(0);
    expect(server.asked).toEqual([[1], [3]]);
    await server.answer(1);
    expect(await Promise.all([first, third])).toEqual([10, 30]);
  });

  it('discard the result of a caller who gave up after they were sent, and are ended when all have', async () => {
    const server = new Server();
    const [some, all] = [new AbortController(), new AbortController()];
    const first = server.batches.submit(1, never);
    const left = server.batches.submit(2, some.signal);
    const stays = server.batches.submit(3, all.signal);
    await server.answer(0);
    some.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    expect(server.signals[1]?.aborted).toBe(false);
    await server.answer(1);
    expect(await Promise.all([first, stays])).toEqual([10, 30]);
    expect(server.discarded).toEqual([20]);

    const last = server.batches.submit(4, all.signal);
    all.abort(new Error('enough'));
    await expect(last).rejects.toThrow('enough');
    expect(server.signals[2]?.aborted).toBe(true);
  });

  it('refuse a caller who has given up already', async () => {
    const server = new Server();
    await expect(server.batches.submit(1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(server.asked).toEqual([]);
  });

  it('that are slow hold up no others, four of them at most', async () => {
    const server = new Server();
    const calls: Promise<number>[] = [];
    for (const item of [1, 2, 3, 4, 5, 6]) {
      calls.push(server.batches.submit(item, never));
      await server.clock.advance(100);
    }
    expect(server.asked).toHaveLength(4);
    for (const number of [0, 1, 2, 3, 4]) await server.answer(number);
    expect(await Promise.all(calls)).toEqual([10, 20, 30, 40, 50, 60]);
    expect(server.asked).toEqual([[1], [2], [3], [4], [5, 6]]);
  });

  it('end by their own time', async () => {
    const server = new Server();
    const call = server.batches.submit(1, never);
    const outcome = call.catch((error: Error) => error.name);
    await server.clock.advance(2_000);
    expect(await outcome).toBe('DeadlinePassed');
    expect(server.clock.timers).toBe(0);
  });
});
