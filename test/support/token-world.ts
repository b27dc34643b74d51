/** Callers by token, with an issuer and a clock of their own. */
import type { Caller } from '../../src/base/caller.ts';
import { KeyproxyError } from '../../src/base/errors.ts';
import { openTokenCallers, type TokenCallers, type TokenCallersOptions } from '../../src/identity/token-callers.ts';
import { FakeClock } from './fake-clock.ts';
import { startTokenIssuer, type TokenIssuer, type TokenIssuerOptions } from './token-issuer.ts';

/** What has to be told apart in tests. */
export interface TokenWorld extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly issuer: TokenIssuer;
  readonly callers: TokenCallers;
  /** What `onKeys` was told. */
  readonly states: (readonly [string, unknown])[];
}

export interface TokenWorldOptions extends TokenIssuerOptions {
  readonly with?: Partial<TokenCallersOptions>;
  /** Changes the issuer before the first fetch. */
  readonly before?: (issuer: TokenIssuer) => void;
}

export async function tokenWorld(options: TokenWorldOptions = {}): Promise<TokenWorld> {
  const clock = new FakeClock();
  const issuer = await startTokenIssuer({ clock, ...options });
  options.before?.(issuer);
  const states: (readonly [string, unknown])[] = [];
  const callers = await openTokenCallers({
    ...{ issuer: issuer.name, audience: 'keyproxy', jwks: { uri: issuer.jwksUri }, clock, random: () => 0.5 },
    onKeys: (state, cause) => states.push([state, cause]),
    ...options.with,
  });
  return {
    ...{ clock, issuer, callers, states },
    async [Symbol.asyncDispose]() {
      callers[Symbol.dispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

/** Who a token is of, or the failure that it ends with; anything else is thrown. */
export async function outcomeOf(callers: TokenCallers, token: string): Promise<Caller | KeyproxyError> {
  try {
    return await callers.callerOf(token);
  } catch (error) {
    if (error instanceof KeyproxyError) return error;
    throw error;
  }
}

/** The reason of the failure that a token ends with, or the name of its account. */
export async function wordOf(callers: TokenCallers, token: string): Promise<string> {
  const outcome = await outcomeOf(callers, token);
  if (outcome instanceof KeyproxyError) return outcome.reason;
  return outcome.kind === 'service_account' ? `${outcome.namespace}/${outcome.name}` : outcome.kind;
}
