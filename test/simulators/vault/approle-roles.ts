/**
 * AppRole: roles, their secret ids, and the count of wrong ones that locks a role for a while.
 *
 * Source: OpenBao `builtin/credential/approle/path_login.go`, `vault/request_handling.go` (user lockout),
 * documentation "AppRole" and "User lockout".
 */
import { randomUUID } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import { failure, refusal, type VaultError } from './errors.ts';
import type { TokenTerms } from './tokens.ts';

/** Five wrong secret ids within a quarter of an hour lock a role for a quarter of an hour. */
const lockout = { threshold: 5, durationMs: 900_000, resetMs: 900_000 };

interface SecretId {
  /** Logins that are left; undefined for any number. */
  usesLeft: number | undefined;
  /** Milliseconds since 1970; undefined for never. */
  readonly expiresAt: number | undefined;
}

export interface AppRole {
  readonly name: string;
  readonly roleId: string;
  readonly terms: TokenTerms;
  readonly secretIdNumUses: number;
  /** Seconds; zero for no end. */
  readonly secretIdTtl: number;
  /** Addresses that may log in, as CIDR; empty for all. */
  readonly boundCidrs: readonly string[];
  readonly secretIds: Map<string, SecretId>;
}

export class AppRoleMount {
  readonly #roles = new Map<string, AppRole>();
  readonly #failures = new Map<string, { count: number; lastAt: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(role: AppRole): void {
    if ([...this.#roles.values()].some(({ name }) => name === role.name))
      throw new Error(`${role.name} exists already`);
    this.#roles.set(role.roleId, role);
  }

  remove(role: AppRole): void {
    this.#roles.delete(role.roleId);
  }

  /** The terms that a token of the role is renewed on; throws once the role is gone. */
  termsOf(role: AppRole): TokenTerms {
    if (this.#roles.get(role.roleId) !== role) {
      throw failure(`failed to renew entry: role "${role.name}" does not exist during renewal`);
    }
    return role.terms;
  }

  newSecretId(role: AppRole): string {
    const secretId = randomUUID();
    role.secretIds.set(secretId, {
      usesLeft: role.secretIdNumUses === 0 ? undefined : role.secretIdNumUses,
      expiresAt: role.secretIdTtl === 0 ? undefined : this.#now() + role.secretIdTtl * 1000,
    });
    return secretId;
  }

  /** Checks a login and spends one use of the secret id; throws what the server answers. */
  logIn(given: { roleId: string; secretId: string; remoteAddress: string }): AppRole {
    const roleId = given.roleId.trim();
    // The look at the lock needs the role id first, and fails as an error of the server's own.
    if (roleId === '') throw failure('missing role_id');
    if (this.#locked(roleId)) throw refusal('permission denied', 403);
    const role = this.#roles.get(roleId);
    if (role === undefined) throw refusal('invalid role or secret ID');
    const secretId = given.secretId.trim();
    if (secretId === '') throw refusal('missing secret_id');
    this.#spend(role, secretId);
    checkAddress(role, given.remoteAddress);
    this.#failures.delete(roleId);
    return role;
  }

  #spend(role: AppRole, secretId: string): void {
    const entry = role.secretIds.get(secretId);
    if (entry === undefined || (entry.expiresAt !== undefined && entry.expiresAt <= this.#now())) {
      this.#countFailure(role.roleId);
      throw refusal('invalid role or secret ID');
    }
    if (entry.usesLeft === undefined) return;
    entry.usesLeft -= 1;
    if (entry.usesLeft === 0) role.secretIds.delete(secretId);
  }

  #locked(roleId: string): boolean {
    const failed = this.#failures.get(roleId);
    return (
      failed !== undefined && failed.count >= lockout.threshold && this.#now() - failed.lastAt < lockout.durationMs
    );
  }

  #countFailure(roleId: string): void {
    const now = this.#now();
    const failed = this.#failures.get(roleId);
    const count = failed === undefined || now - failed.lastAt > lockout.resetMs ? 1 : failed.count + 1;
    this.#failures.set(roleId, { count, lastAt: now });
  }
}

function checkAddress({ boundCidrs }: AppRole, remoteAddress: string): void {
  if (boundCidrs.length === 0) return;
  const list = new BlockList();
  for (const cidr of boundCidrs) {
    const [address = '', bits = ''] = cidr.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  if (!list.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')) throw addressError(remoteAddress);
}

/** Go prints the error that is not there. */
function addressError(remoteAddress: string): VaultError {
  return refusal(`source address "${remoteAddress}" unauthorized by CIDR restrictions on the role: %!w(<nil>)`);
}
