/**
 * What was found about tokens is remembered under their SHA-256, and never a token itself: a caller for as long as the
 * token is good and the issuer lists its keys, a failure for some seconds.
 */
import { hash } from 'node:crypto';
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { IssuerKeys } from './jwks.ts';
import type { TokenCheck, Verdict } from './token-check.ts';
import { TokenMemory } from './token-memory.ts';

/** A token with all claims of Kubernetes is below 2 KiB. */
const longestToken = 16 * 1024;
const [mostCallers, mostFailures] = [10_000, 1_000];
/** How long a failure answers for itself, in milliseconds. */
const failureHoldsMs = 10_000;

/** Who the bearer of a good token is, and until when. */
interface Known {
  readonly caller: Caller;
  readonly untilMs: number;
}

/** What was found for an origin, which holds while these are the issuer's keys. */
interface Found extends Known {
  readonly keys: IssuerKeys['current'];
}

/** What tokens are checked with, and by when they are over. */
export interface TokenParts {
  readonly checker: TokenCheck;
  readonly keys: IssuerKeys;
  readonly clock: Clock;
}

/** The callers of tokens. Disposing of it forgets them, and ends the renewal of the issuer's keys. */
export class RememberedTokens implements Disposable {
  readonly #parts: TokenParts;
  readonly #callers = new TokenMemory<Known>(mostCallers);
  readonly #failures = new TokenMemory<KeyproxyError>(mostFailures);
  /** What was found for origins that came before. */
  readonly #found = new WeakMap<object, Found>();
  /** Checks under way: many calls with one new token are one check. */
  readonly #checks = new Map<string, Promise<Caller>>();

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  /** Who the bearer is that came with this origin before; see `TokenCallers`. */
  known(origin: object): Caller | undefined {
    const found = this.#found.get(origin);
    const { clock, keys } = this.#parts;
    return found !== undefined && found.keys === keys.current && clock.now() < found.untilMs ? found.caller : undefined;
  }

  /** Who the bearer is; see `TokenCallers`. */
  callerOf(token: string, origin?: object): Caller | Promise<Caller> {
    const { clock, keys } = this.#parts;
    const name = nameOf(token);
    const known = this.#callers.get(name, clock.now());
    if (known !== undefined && keys.current !== undefined) {
      if (origin !== undefined)
        this.#found.set(origin, { caller: known.caller, untilMs: known.untilMs, keys: keys.current });
      return known.caller;
    }
    const failure = this.#failures.get(name, clock.monotonic());
    if (failure !== undefined) throw failure;
    return this.#checks.get(name) ?? this.#start(name, token);
  }

  /** Forgets what was found by keys that the issuer has changed. */
  forget(): void {
    this.#callers.clear();
    this.#failures.clear();
  }

  [Symbol.dispose](): void {
    this.#parts.keys[Symbol.dispose]();
    this.forget();
  }

  #start(name: string, token: string): Promise<Caller> {
    const check = this.#check(name, token).finally(() => this.#checks.delete(name));
    this.#checks.set(name, check);
    return check;
  }

  async #check(name: string, token: string): Promise<Caller> {
    const keyName = this.#parts.checker.keyNameOf(token);
    if (typeof keyName !== 'string') throw this.#remembered(name, keyName);
    const verdict = await this.#verdict(token, keyName);
    switch (verdict.kind) {
      case 'good':
        this.#callers.set(name, verdict, verdict.untilMs);
        return verdict.caller;
      case 'bad':
        throw this.#remembered(name, verdict.error);
      case 'unclear':
        throw verdict.error;
    }
  }

  /** What is found by keys that are still the issuer's when it has been found. */
  async #verdict(token: string, keyName: string): Promise<Verdict> {
    const { checker, keys } = this.#parts;
    for (;;) {
      const used = await keys.with(keyName);
      const verdict = await checker.check(token, used);
      if (keys.current === used) return verdict;
    }
  }

  /** A failure that is the token's own. That its key is unknown is not remembered: it costs little, and may change. */
  #remembered(name: string, error: KeyproxyError): KeyproxyError {
    this.#failures.set(name, error, this.#parts.clock.monotonic() + failureHoldsMs);
    return error;
  }
}

function nameOf(token: string): string {
  if (token.length > longestToken) throw new KeyproxyError('CALLER_UNAUTHENTICATED', { detail: tooLong });
  return hash('sha256', token, 'base64');
}

const tooLong = 'its token is longer than 16 KiB; send a projected service-account token';
