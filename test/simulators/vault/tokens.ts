/**
 * The tokens that the server has given out: how long they live, and what renewing makes of them.
 *
 * Source: OpenBao `sdk/framework/lease.go` (`CalculateTTL`), `vault/token_store.go`, documentation "Tokens".
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { failure, refusal } from './errors.ts';

/** The server's own default and longest lease, 32 days in seconds. */
export const systemMaxTtl = 2_764_800;

/** Service tokens are kept, renewed and revoked; batch tokens only run out. */
export type TokenType = 'service' | 'batch';

/** What a role gives its tokens; seconds, zero for the server's own default. */
export interface TokenTerms {
  readonly policies: readonly string[];
  readonly type: TokenType;
  readonly ttl: number;
  readonly maxTtl: number;
}

/** Where a token came from. */
export interface TokenOrigin {
  /** `ns1/` or empty. */
  readonly namespacePath: string;
  /** `auth/approle/login`. */
  readonly path: string;
  readonly displayName: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly entityId: string;
  /** The role as it is when the token is renewed; throws where it is gone. */
  readonly terms: () => TokenTerms;
}

export interface Token extends TokenOrigin {
  readonly id: string;
  /** Empty for batch tokens. */
  readonly accessor: string;
  readonly type: TokenType;
  readonly policies: readonly string[];
  /** Milliseconds since 1970, whole seconds. */
  readonly issuedAt: number;
  /** Seconds that it was first given. */
  readonly creationTtl: number;
  expiresAt: number;
  renewedAt?: number;
}

/** The spelling of tokens: `s.…` and `b.…` at OpenBao, `hvs.…` and `hvb.…` at Vault. */
export type Product = 'openbao' | 'vault';

const prefixes: Readonly<Record<Product, Readonly<Record<TokenType, string>>>> = {
  openbao: { service: 's.', batch: 'b.' },
  vault: { service: 'hvs.', batch: 'hvb.' },
};

export class TokenStore {
  readonly #tokens = new Map<string, Token>();
  readonly #now: () => number;
  readonly #product: Product;

  constructor({ now, product }: { now: () => number; product: Product }) {
    this.#now = now;
    this.#product = product;
  }

  /** Gives out a token; `warnings` say where a role asked for more than it can have. */
  issue(origin: TokenOrigin): { token: Token; warnings: readonly string[] } {
    const terms = origin.terms();
    const now = this.#now();
    const issuedAt = Math.floor(now / 1000) * 1000;
    const { ttl, warnings } = leaseTime({ asked: 0, terms });
    const token: Token = {
      ...origin,
      id: this.#newId(terms.type, origin.namespacePath),
      accessor: terms.type === 'batch' ? '' : letters(24),
      type: terms.type,
      policies: [...new Set(['default', ...terms.policies.map((name) => name.toLowerCase())])].sort(),
      issuedAt,
      creationTtl: ttl,
      expiresAt: now + ttl * 1000,
    };
    this.#tokens.set(token.id, token);
    return { token, warnings };
  }

  /** The token, unless it has run out or been revoked. */
  find(id: string): Token | undefined {
    const token = this.#tokens.get(id);
    return token !== undefined && token.expiresAt > this.#now() ? token : undefined;
  }

  /** Gives a token another lease of `increment` seconds, or of its role's choice for zero. */
  renew(token: Token, increment: number): readonly string[] {
    if (token.type === 'batch') throw refusal('batch tokens cannot be renewed');
    const now = this.#now();
    const lease = leaseTime({ asked: increment, terms: token.terms(), renewal: { issuedAt: token.issuedAt, now } });
    token.expiresAt = now + lease.ttl * 1000;
    token.renewedAt = now;
    return lease.warnings;
  }

  revoke(token: Token): void {
    if (token.type === 'batch') throw refusal('batch tokens cannot be revoked');
    this.#tokens.delete(token.id);
  }

  /** Ends all tokens at once, batch tokens too. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  #newId(type: TokenType, namespacePath: string): string {
    const prefix = prefixes[this.#product][type];
    const body = type === 'batch' ? randomBytes(96).toString('base64url') : letters(24);
    return namespacePath === '' ? prefix + body : `${prefix}${body}.${idOf(namespacePath)}`;
  }
}

/** The seconds that a token still has, rounded down. */
export function secondsLeft(token: Token, now: number): number {
  return Math.max(0, Math.floor((token.expiresAt - now) / 1000));
}

function leaseTime({
  asked,
  terms,
  renewal,
}: {
  asked: number;
  terms: TokenTerms;
  renewal?: { issuedAt: number; now: number };
}): { ttl: number; warnings: readonly string[] } {
  const maxTtl = terms.maxTtl > 0 ? Math.min(terms.maxTtl, systemMaxTtl) : systemMaxTtl;
  const wanted = asked > 0 ? asked : terms.ttl > 0 ? terms.ttl : systemMaxTtl;
  const left = renewal === undefined ? maxTtl : Math.floor((renewal.issuedAt + maxTtl * 1000 - renewal.now) / 1000);
  if (left <= 0) throw failure('past the max TTL, cannot renew');
  const text = `TTL of "${goDuration(wanted)}" exceeded the effective max_ttl of "${goDuration(left)}"; TTL value is capped accordingly`;
  return { ttl: Math.min(wanted, left), warnings: wanted > left ? [text] : [] };
}

/** Seconds as the server prints them: `767h59m57s`, `1h`. */
function goDuration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  const last = parts.findLastIndex(([count]) => count > 0);
  return parts
    .slice(first, last + 1)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function letters(count: number): string {
  return Array.from({ length: count }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}

const namespaceIds = new Map<string, string>();

/** The six letters that stand for a namespace at the end of its tokens. */
function idOf(namespacePath: string): string {
  const id = namespaceIds.get(namespacePath) ?? letters(6);
  namespaceIds.set(namespacePath, id);
  return id;
}

/** One entity for each name that logs in by one mount. */
export class EntityIds {
  readonly #ids = new Map<string, string>();

  of(mount: string, alias: string): string {
    const name = `${mount}\n${alias}`;
    const id = this.#ids.get(name) ?? randomUUID();
    this.#ids.set(name, id);
    return id;
  }
}
