/**
 * All of a process's logins to Vaults: one for each (tenant, server, namespace, way to log in), shared by the keys that
 * need it, and never by two tenants.
 */
import type { Clock } from '../../base/clock.ts';
import type { VaultKeyConfig } from '../key-config.ts';
import { VaultApi } from './api.ts';
import { Connection } from './connection.ts';
import { Health } from './health.ts';
import { VaultSession } from './session.ts';
import { TokenChecks } from './token-checks.ts';
import { TrustedAuthorities } from './trust.ts';

/** What the logins of a process need. */
export interface VaultCredentialOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one request for a token may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** One Vault with a login to it. */
export interface LoggedIn {
  readonly api: VaultApi;
  readonly session: VaultSession;
  readonly checks: TokenChecks;
  readonly health: Health;
}

/** A login in use, until it is released. */
export interface VaultLease {
  readonly vault: LoggedIn;
  /** Lets go of it; the last one to do so ends the login, and waits for that. Further calls do nothing. */
  release(): Promise<void>;
}

/** When the token of one login expires: a gauge. */
export interface VaultTokenExpiry {
  readonly tenantId: string;
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

interface Shared {
  readonly tenantId: string;
  readonly address: string;
  readonly vault: LoggedIn;
  users: number;
}

/** Disposing of it ends every login. */
export class VaultCredentials implements Disposable {
  readonly #options: VaultCredentialOptions;
  readonly #shared = new Map<string, Shared>();

  constructor(options: VaultCredentialOptions) {
    this.#options = options;
  }

  /** The login that a key of a tenant needs. Nothing is asked for yet. */
  lease(config: VaultKeyConfig, tenantId: string): VaultLease {
    const { address, namespace, caFile, auth } = config;
    const name = JSON.stringify([tenantId, address, namespace, caFile, Object.entries(auth).sort()]);
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      shared = { tenantId, address, vault: this.#open(config), users: 0 };
      this.#shared.set(name, shared);
    }
    shared.users++;
    return this.#leaseOf(name, shared);
  }

  /** For each login whose token is in hand and expires, when. */
  expiries(): VaultTokenExpiry[] {
    return [...this.#shared.values()].flatMap(({ tenantId, address, vault }) => {
      const { expiresAtMs } = vault.session.credentials;
      return expiresAtMs === undefined ? [] : [{ tenantId, address, expiresAtMs }];
    });
  }

  [Symbol.dispose](): void {
    for (const { vault } of this.#shared.values()) void close(vault);
    this.#shared.clear();
  }

  #open({ address, namespace, caFile, auth }: VaultKeyConfig): LoggedIn {
    const { clock, random, timeoutMs } = this.#options;
    const api = new VaultApi(new Connection(address, new TrustedAuthorities(caFile)), { clock, namespace });
    const session = new VaultSession(api, auth, { random, timeoutMs });
    return { api, session, checks: new TokenChecks(api), health: new Health(api) };
  }

  #leaseOf(name: string, shared: Shared): VaultLease {
    let released: Promise<void> | undefined;
    const release = async () => {
      shared.users--;
      if (shared.users > 0) return;
      if (this.#shared.get(name) === shared) this.#shared.delete(name);
      await close(shared.vault);
    };
    return {
      vault: shared.vault,
      release: () => {
        released ??= release();
        return released;
      },
    };
  }
}

async function close({ session, api }: LoggedIn): Promise<void> {
  await session[Symbol.asyncDispose]();
  api[Symbol.dispose]();
}
