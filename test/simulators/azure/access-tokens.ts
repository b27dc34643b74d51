/** Access tokens as Entra issues them for Key Vault and Managed HSM: version 1.0, issued by `sts.windows.net`. */
import { randomUUID } from 'node:crypto';
import { makeSigningKey, parseJwt, type SigningKey, signJwt } from './jwt.ts';

/** Life of a token, in seconds. */
export const tokenSeconds = 3600;

/** What an access token proves. */
export interface Caller {
  readonly clientId: string;
  /** Of the service principal: what permissions are granted to. */
  readonly objectId: string;
  readonly tenant: string;
}

/** Why a token is not accepted; `found` is what it has in place of what was wanted. */
export type TokenProblem =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'signature' }
  | { readonly kind: 'audience'; readonly found: string }
  | { readonly kind: 'issuer'; readonly found: string }
  | { readonly kind: 'not-yet-valid' }
  | { readonly kind: 'expired' };

/** One process makes one key, since that takes a while; tokens of another simulator are unknown here all the same. */
let sharedKey: Promise<SigningKey> | undefined;

/** The issuer that tokens of a tenant name. */
export function issuerOf(tenant: string): string {
  return `https://sts.windows.net/${tenant}/`;
}

/** The tokens of one simulator. */
export class AccessTokens {
  readonly #now: () => number;
  /** Ids of the tokens that this simulator has issued, and that nobody has ended. */
  readonly #live = new Set<string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The key that signs all tokens; its public part is what the directory publishes. */
  signingKey(): Promise<SigningKey> {
    sharedKey ??= makeSigningKey();
    return sharedKey;
  }

  /** Issues a token for `audience` that is good from now on for an hour. */
  async issue(caller: Caller, audience: string): Promise<{ token: string; issuedAt: number; expiresAt: number }> {
    const issuedAt = Math.floor(this.#now() / 1000);
    const expiresAt = issuedAt + tokenSeconds;
    const uti = randomUUID();
    this.#live.add(uti);
    const claims = {
      aud: audience,
      iss: issuerOf(caller.tenant),
      iat: issuedAt,
      nbf: issuedAt,
      exp: expiresAt,
      appid: caller.clientId,
      appidacr: '1',
      idtyp: 'app',
      oid: caller.objectId,
      sub: caller.objectId,
      tid: caller.tenant,
      uti,
      ver: '1.0',
    };
    return { token: signJwt(claims, await this.signingKey()), issuedAt, expiresAt };
  }

  /** Ends every token that has been issued so far, as time would. */
  expireAll(): void {
    this.#live.clear();
  }

  /** Judges a token as a service for `audience` does that belongs to `tenant`. */
  async judge(token: string, wanted: { audience: string; tenant: string }): Promise<Caller | TokenProblem> {
    const parsed = parseJwt(token);
    if (parsed === undefined) return { kind: 'malformed' };
    const { kid, publicKey } = await this.signingKey();
    if (parsed.kid !== kid || !parsed.isSignedBy(publicKey)) return { kind: 'signature' };
    const { aud, iss, nbf, exp, appid, oid, tid, uti } = parsed.claims;
    if (aud !== wanted.audience) return { kind: 'audience', found: String(aud) };
    if (iss !== issuerOf(wanted.tenant)) return { kind: 'issuer', found: String(iss) };
    const seconds = this.#now() / 1000;
    // Services bear with clocks that differ by five minutes before a token's time, and with none after it.
    if (typeof nbf !== 'number' || nbf > seconds + 300) return { kind: 'not-yet-valid' };
    const live = typeof uti === 'string' && this.#live.has(uti);
    if (typeof exp !== 'number' || exp <= seconds || !live) return { kind: 'expired' };
    return { clientId: String(appid), objectId: String(oid), tenant: String(tid) };
  }
}
