/** On whose behalf a call runs, where its connection does not say it all. */
import type { Caller } from '../base/caller.ts';
import { KeyproxyError } from '../base/errors.ts';

/** What a call says of itself. */
export interface CallFields {
  /** Its metadata `authorization`. */
  readonly authorization: () => string | undefined;
  /** What that stands in: an object that calls share has the same each time. */
  readonly origin?: object;
}

/**
 * Tells the caller of one call from its connection's and from what the call says. Throws, or rejects with,
 * `CALLER_UNAUTHENTICATED` or `CALLER_UNVERIFIABLE`.
 */
export type Identify = (connection: Caller, fields: CallFields) => Caller | Promise<Caller>;

/** Knows callers by their tokens. */
interface Tokens {
  /** The caller of the token that this origin came with before, if it is still good. */
  known(origin: object): Caller | undefined;
  callerOf(token: string, origin?: object): Caller | Promise<Caller>;
}

/** The scheme of RFC 6750 section 2.1; its name has no case (RFC 9110 section 11.1). */
const scheme = 'bearer ';

/**
 * Judges a call by its token alone, where it carries one; whether it is a token is for `callerOf` to say. Without one, `isNeeded` tells whether that is the end or the
 * connection's caller counts.
 */
export function identifyByToken(tokens: Tokens, { isNeeded }: { readonly isNeeded: boolean }): Identify {
  return (connection, { authorization: read, origin }) => {
    const known = origin && tokens.known(origin);
    if (known !== undefined) return known;
    const authorization = read();
    if (authorization === undefined) {
      if (!isNeeded) return connection;
      throw unauthenticated('send "authorization: Bearer TOKEN" in the metadata, with a service account\'s token');
    }
    const token = authorization.slice(scheme.length).trim();
    if (authorization.slice(0, scheme.length).toLowerCase() !== scheme || token === '') {
      throw unauthenticated('the metadata "authorization" must be "Bearer TOKEN"');
    }
    return tokens.callerOf(token, origin);
  };
}

function unauthenticated(detail: string): KeyproxyError {
  return new KeyproxyError('CALLER_UNAUTHENTICATED', { detail });
}
