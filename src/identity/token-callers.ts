/**
 * Callers by bearer token: projected service-account tokens of Kubernetes, checked here against the keys of their
 * issuer. No cluster is asked about a token, so a pod that is gone is known until its token is over.
 */
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import { IssuerKeys, type KeysState } from './jwks.ts';
import { type JwksSource, requestJwks } from './jwks-request.ts';
import { readKeySet } from './jwks-set.ts';
import { RememberedTokens } from './remembered-tokens.ts';
import { tokenCheck } from './token-check.ts';

/** Whose tokens are good, and where the issuer's keys are. */
export interface TokenCallersOptions {
  /** The claim `iss` that a token must have, letter by letter. */
  readonly issuer: string;
  /** Must be among the claim `aud`. */
  readonly audience: string;
  readonly jwks: JwksSource;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Told when the keys of the issuer could, or could not, be fetched; once per change of state. */
  readonly onKeys?: (state: KeysState, cause?: unknown) => void;
}

/** Knows callers by their tokens. Disposing of it forgets all, and ends the renewal of the issuer's keys. */
export interface TokenCallers extends Disposable {
  /** Who the token is of that this origin came with before; undefined where none did, or it is over. */
  known(origin: object): Caller | undefined;
  /**
   * Who the bearer is: at once where the same token was checked before and is not over, else a promise. Throws or
   * rejects with `CALLER_UNAUTHENTICATED`, or with `CALLER_UNVERIFIABLE` where the issuer's keys cannot be had.
   * `origin`: an object that comes with the same token each time, so that the token need not be looked at again.
   */
  callerOf(token: string, origin?: object): Caller | Promise<Caller>;
}

/** Opens the door for tokens. The keys are asked for once; an issuer that does not answer does not stop the start. */
export async function openTokenCallers(options: TokenCallersOptions): Promise<TokenCallers> {
  const { issuer, audience, jwks, clock, random, onKeys } = options;
  const checker = await tokenCheck({ issuer, audience, clock });
  const keys: IssuerKeys = new IssuerKeys({
    ...{ clock, random },
    fetch: async (signal) => readKeySet(await requestJwks(jwks, signal)),
    onChange: () => callers.forget(),
    ...(onKeys !== undefined && { onState: onKeys }),
  });
  const callers = new RememberedTokens({ checker, keys, clock });
  await keys.refresh();
  return callers;
}
