/** Following calls: what it costs where nobody does, and which call a step belongs to where somebody does. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { type CallFollower, type FollowedCall, followed, inSteps } from '../../../src/rpc/follower.ts';
import type { CallObserver, Method } from '../../../src/rpc/method.ts';
import { replyOf } from '../../../src/rpc/reply.ts';

const method: Method = {
  ...{ kind: 'unary', service: 'test.Service', name: 'Call', exempt: false },
  handle: async () => replyOf(Buffer.alloc(0)),
};

const silent: CallObserver = { started() {}, handled() {}, failed() {}, broke() {}, turnedAway() {} };

/** Makes functions, and keeps what it made them with. */
function maker() {
  const made: CallObserver[] = [];
  const make =
    ({ observer }: { observer: CallObserver }) =>
    (text: string) => {
      made.push(observer);
      return text;
    };
  return { made, make };
}

const unreached = (): never => {
  throw new Error('nobody follows');
};

describe('where nobody follows calls', () => {
  test('a transport gets the very function that would be there without', () => {
    const serve = (text: string) => text;
    const how = { make: () => serve, headersOf: unreached, run: unreached };
    expect(followed(method, { observer: silent }, how)).toBe(serve);
  });

  test('so it does for a method that is exempt', () => {
    const serve = (text: string) => text;
    const how = { make: () => serve, headersOf: unreached, run: unreached };
    const follower: CallFollower = { begin: unreached };
    expect(followed({ ...method, exempt: true }, { observer: silent, follower }, how)).toBe(serve);
  });
});

test('each call that is followed has an observer of its own, and the others share one', () => {
  const { made, make } = maker();
  const own: CallObserver = { ...silent };
  const calls: FollowedCall[] = [
    { observer: own, run: (step) => step() },
    { observer: silent, run: (step) => step() },
  ];
  const begun: string[] = [];
  const follower: CallFollower = {
    begin(_method, headers) {
      begun.push(headers('traceparent').join());
      const next = calls.shift();
      if (next === undefined) throw new Error('too many calls');
      return next;
    },
  };
  const serve = followed(
    method,
    { observer: silent, follower },
    { make, headersOf: (text) => () => [text], run: (call, start) => call.run(start) },
  );
  expect([serve('a'), serve('b')]).toEqual(['a', 'b']);
  expect(begun).toEqual(['a', 'b']);
  expect(made[0]).toBe(own);
  expect(made[1]).toBe(silent);
});

test('every item of a stream is made in a step of its call, whoever asks for it', async () => {
  const store = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  async function* items() {
    try {
      for (const item of [1, 2, 3]) {
        seen.push(store.getStore());
        yield item;
        await Promise.resolve();
      }
    } finally {
      seen.push(store.getStore());
    }
  }
  const call: FollowedCall = { observer: silent, run: (step) => store.run('the call', step) };
  for await (const item of inSteps(call, items())) if (item === 2) break;
  expect(seen).toEqual(['the call', 'the call', 'the call']);
});
