/** Access tokens: who holds one, for which services, until when. */
import { randomBytes } from 'node:crypto';

/** How long a token lasts unless less is asked for, in seconds. */
export const tokenSeconds = 3600;

/** What the services know of a token. */
export interface TokenRecord {
  /** A service account's address, or `principal://…` for a federated identity. */
  readonly principal: string;
  /** The project whose quota and services the holder uses. */
  readonly project: string;
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** All tokens that have been issued. */
export class TokenStore {
  readonly #tokens = new Map<string, TokenRecord>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A new token; its end is in whole seconds, as the services tell it. */
  issue(holder: Omit<TokenRecord, 'expiresAt'>, seconds: number = tokenSeconds): { token: string; expiresAt: number } {
    const token = `ya29.c.${randomBytes(96).toString('base64url')}`;
    const expiresAt = (Math.floor(this.#now() / 1000) + seconds) * 1000;
    this.#tokens.set(token, { ...holder, expiresAt });
    return { token, expiresAt };
  }

  find(token: string): TokenRecord | undefined {
    return this.#tokens.get(token);
  }

  /** Ends all tokens at once, as time would. */
  expireAll(): void {
    for (const record of this.#tokens.values()) record.expiresAt = Math.min(record.expiresAt, this.#now());
  }
}
