/**
 * Whether a token is one of the issuer's for keyproxy, and whose: a signed JWT (RFC 7519, RFC 7515) in its compact
 * form, by the advice of RFC 8725. The key comes from the issuer's list alone: what a header brings along (`jwk`,
 * `jku`, `x5c`, `x5u`) is never looked at, and an extension that must be understood (`crit`) is refused.
 *
 * A library checks signature and claims. It is loaded with the first checker, and its errors go nowhere: they hold what
 * the token says.
 */
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { KeySet } from './jwks-set.ts';
import { type AccountProblem, serviceAccountOf } from './service-account.ts';

/** Whose tokens are good. */
export interface TokenCheckOptions {
  /** The claim `iss`, letter by letter. */
  readonly issuer: string;
  /** One of the claim `aud`. */
  readonly audience: string;
  readonly clock: Clock;
}

/** What was found out about a token. */
export type Verdict =
  /** `untilMs`: when the token is over, in milliseconds since 1970. */
  | { readonly kind: 'good'; readonly caller: Caller; readonly untilMs: number }
  /** `CALLER_UNAUTHENTICATED`. */
  | { readonly kind: 'bad'; readonly error: KeyproxyError }
  /** `CALLER_UNVERIFIABLE`: the issuer's key is one that cannot be used. */
  | { readonly kind: 'unclear'; readonly error: KeyproxyError };

/** Checks tokens of one issuer. */
export interface TokenCheck {
  /** The name of the key that a token says it is signed with, or what is wrong with the token; no cryptography yet. */
  keyNameOf(token: string): string | KeyproxyError;
  /** Checks a token by a list of keys that the one it names is in. */
  check(token: string, keys: KeySet): Promise<Verdict>;
}

/** Signatures that are accepted. None that needs a shared secret, and not `none` (RFC 8725 sections 2.1 and 3.1). */
const algorithms = ['RS256', 'ES256', 'PS256', 'EdDSA'];

/** How far the clocks of this machine and of the issuer may be apart, in seconds. */
const toleranceSeconds = 30;

const longestKeyName = 256;

/** What is wrong with a token → what its bearer is told. */
const details = {
  form: 'what it sent is no signed token (JWT); send a projected service-account token as it stands in its file',
  algorithm: `its token is signed in a way that is not accepted here; ${algorithms.join(', ')} are`,
  keyName: 'its token does not say which key signed it (kid); send a projected service-account token',
  signature: "the signature of its token is not its issuer's; send the token as it stands in its file",
  over: 'its token is over; read the file of the projected token anew',
  early: 'its token is not valid yet; compare the clocks of this machine and of the issuer',
  endless: 'its token has no end (exp), or none that is a time; send a projected service-account token',
  time: 'its token has a time (iat, nbf) that is none; send a projected service-account token',
  'no account': 'its token is not of a Kubernetes service account; send a projected service-account token',
  disagreement: 'its token names two different service accounts; send a projected service-account token',
} as const;

type Problem = keyof typeof details | AccountProblem | 'issuer' | 'audience';

/** The library's codes for what is wrong with a token, where no claim is. */
const byCode: Readonly<Record<string, Problem>> = {
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm',
  ERR_JOSE_NOT_SUPPORTED: 'form',
  ERR_JWS_INVALID: 'form',
  ERR_JWT_INVALID: 'form',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'signature',
  ERR_JWKS_NO_MATCHING_KEY: 'signature',
  ERR_JWT_EXPIRED: 'over',
};

/** Claim → what is wrong with it. */
const byClaim: Readonly<Record<string, Problem>> = {
  iss: 'issuer',
  aud: 'audience',
  exp: 'endless',
  iat: 'time',
  nbf: 'early',
};

/** A checker, with the library that it needs. */
export async function tokenCheck(options: TokenCheckOptions): Promise<TokenCheck> {
  const [{ jwtVerify }, { createLocalJWKSet }] = await Promise.all([
    import('jose/jwt/verify'),
    import('jose/jwks/local'),
  ]);
  const { issuer, audience, clock } = options;
  const resolvers = new WeakMap<KeySet, ReturnType<typeof createLocalJWKSet>>();
  const resolverOf = (keys: KeySet) => {
    const resolver = resolvers.get(keys) ?? createLocalJWKSet({ keys: [...keys.keys] });
    resolvers.set(keys, resolver);
    return resolver;
  };
  const wrong = (problem: Problem) =>
    new KeyproxyError('CALLER_UNAUTHENTICATED', { detail: detailOf(problem, options) });

  return {
    keyNameOf(token) {
      const header = headerOf(token);
      if (header === undefined) return wrong('form');
      if (!algorithms.some((known) => known === header['alg'])) return wrong('algorithm');
      const name = header['kid'];
      const isName = typeof name === 'string' && name !== '' && name.length <= longestKeyName;
      return isName ? name : wrong('keyName');
    },

    async check(token, keys) {
      try {
        const { payload } = await jwtVerify(token, resolverOf(keys), {
          ...{ algorithms, issuer, audience, requiredClaims: ['exp'], clockTolerance: toleranceSeconds },
          currentDate: new Date(clock.now()),
        });
        const account = serviceAccountOf(payload);
        if (typeof account === 'string') return { kind: 'bad', error: wrong(account) };
        return { kind: 'good', caller: account, untilMs: ((payload.exp ?? 0) + toleranceSeconds) * 1000 };
      } catch (error) {
        const problem = problemOf(error);
        if (problem !== undefined) return { kind: 'bad', error: wrong(problem) };
        return { kind: 'unclear', error: new KeyproxyError('CALLER_UNVERIFIABLE', { detail: unusableKey }) };
      }
    },
  };
}

const unusableKey = 'the one that its token names cannot be used, or is listed twice';

function detailOf(problem: Problem, { issuer, audience }: TokenCheckOptions): string {
  switch (problem) {
    case 'issuer':
      return `its token is of another issuer; here it must be of ${issuer}`;
    case 'audience':
      return `its token is for another audience; project one with the audience ${audience}`;
    default:
      return details[problem];
  }
}

/** What the library found wrong with a token; undefined where it is the key that is of no use. */
function problemOf(error: unknown): Problem | undefined {
  const { code, claim } = { code: fieldOf(error, 'code'), claim: fieldOf(error, 'claim') };
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED') {
    if (claim === 'nbf' && fieldOf(error, 'reason') === 'invalid') return 'time';
    return byClaim[claim ?? ''] ?? 'form';
  }
  return byCode[code ?? ''];
}

function fieldOf(error: unknown, name: string): string | undefined {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/**
 * The header of a token of three parts, each in the one base64url form that its bytes have: no two tokens that differ
 * in a letter are the same one.
 */
function headerOf(token: string): Readonly<Record<string, unknown>> | undefined {
  const parts = token.split('.', 4);
  const [head] = parts;
  if (head === undefined || parts.length !== 3 || !parts.every(isCanonical)) return undefined;
  try {
    const header: unknown = JSON.parse(Buffer.from(head, 'base64url').toString('utf8'));
    return typeof header === 'object' && header !== null ? { ...header } : undefined;
  } catch {
    return undefined;
  }
}

function isCanonical(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part;
}
