/** Calls that somebody follows on their way, where calls are traced; elsewhere there is no follower. */
import type { CallHeaders } from '../base/call-headers.ts';
import type { CallObserver, Method } from './method.ts';

/** One call that has begun. */
export interface FollowedCall {
  /** Told of this call in the place of the listener's observer; the same one where the call is not followed. */
  readonly observer: CallObserver;
  /** Runs one step of the call: from there on it can be told which call it is. */
  run<T>(step: () => T): T;
}

export interface CallFollower {
  /** A call has come. */
  begin(method: Method, headers: CallHeaders): FollowedCall;
}

/** What serves the calls of one method, on one transport. */
export interface Serving<Options, Call extends unknown[], Result> {
  /** Makes the function that a transport hands its calls. */
  readonly make: (options: Options) => (...call: Call) => Result;
  readonly headersOf: (...call: Call) => CallHeaders;
  /** Runs all of a call that `start` starts in steps of the call's. */
  readonly run: (call: FollowedCall, start: () => Result) => Result;
}

/**
 * What `make` makes, for calls that are followed one by one: each tells an observer of its own. Where nobody follows
 * calls, or the method is exempt, it is what `make` makes and nothing else.
 */
export function followed<
  Options extends { readonly observer: CallObserver; readonly follower?: CallFollower | undefined },
  Call extends unknown[],
  Result,
>(
  method: Method,
  options: Options,
  { make, headersOf, run }: Serving<Options, Call, Result>,
): (...call: Call) => Result {
  const serve = make(options);
  const { follower, observer } = options;
  if (follower === undefined || method.exempt) return serve;
  return (...call) => {
    const one = follower.begin(method, headersOf(...call));
    const own = one.observer === observer ? serve : make({ ...options, observer: one.observer });
    return run(one, () => own(...call));
  };
}

/** The same items, each made in a step of the call's. */
export function inSteps<T>({ run }: FollowedCall, items: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = items[Symbol.asyncIterator]();
      return {
        next: () => run(() => iterator.next()),
        return: async () => (await run(() => iterator.return?.())) ?? { done: true, value: undefined },
      };
    },
  };
}
