/** Who can call: users with long-lived keys, roles, and the sessions that STS makes of roles. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { PolicyDocument } from './policy-document.ts';

/** What an identity may do by its own policies; `everything` is an administrator. */
export type Permissions = PolicyDocument | 'everything';

/** An IAM role; what is changeable here is what its account's administrator can change. */
export interface Role {
  readonly kind: 'role';
  readonly arn: string;
  readonly accountId: string;
  readonly name: string;
  /** `AROA…`, the id that survives nothing: a new role of the same name has another. */
  readonly uniqueId: string;
  trust: PolicyDocument;
  permissions: Permissions;
  /** The longest session that may be asked for, in seconds: 3600 to 43200. */
  readonly maxSessionSeconds: number;
  removed: boolean;
}

/** The caller of one request. */
export type Principal =
  | {
      readonly kind: 'user';
      readonly arn: string;
      readonly accountId: string;
      readonly uniqueId: string;
      readonly permissions: Permissions;
    }
  | {
      readonly kind: 'session';
      /** `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`. */
      readonly arn: string;
      readonly accountId: string;
      readonly uniqueId: string;
      readonly sessionName: string;
      readonly role: Role;
      /** The policy that came with AssumeRole: it narrows the role and never widens it. */
      readonly sessionPolicy?: PolicyDocument;
    };

/** Credentials as a client holds them. */
export interface IssuedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Credentials as the service holds them. */
export interface StoredCredentials {
  readonly principal: Principal;
  /** HMAC key over `AWS4` and the secret: the first key of the SigV4 derivation. */
  readonly signingRoot: KeyObject;
  readonly sessionToken?: string;
  /** Milliseconds since 1970; absent for a user's own key. */
  expiresAt?: number;
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** An id as IAM makes them: a prefix that tells its kind (`AKIA`, `ASIA`, `AROA`, `AIDA`) and 16 characters. */
export function newUniqueId(prefix: string): string {
  return prefix + Array.from(randomBytes(16), (byte) => base32[byte % 32]).join('');
}

/** All credentials that are or were valid. */
export class CredentialStore {
  /** No session lasts longer, in seconds, whatever was asked for: a switch for tests that cannot wait for 900 s. */
  longestSessionSeconds = Number.POSITIVE_INFINITY;
  readonly #byAccessKey = new Map<string, StoredCredentials>();

  /** Makes credentials; with `expiresAt` (milliseconds since 1970) temporary ones that need their session token. */
  issue(principal: Principal, expiresAt?: number): IssuedCredentials {
    const accessKeyId = newUniqueId(expiresAt === undefined ? 'AKIA' : 'ASIA');
    const secretAccessKey = randomBytes(30).toString('base64');
    const signingRoot = createSecretKey(Buffer.from(`AWS4${secretAccessKey}`, 'utf8'));
    if (expiresAt === undefined) {
      this.#byAccessKey.set(accessKeyId, { principal, signingRoot });
      return { accessKeyId, secretAccessKey };
    }
    const sessionToken = `IQoJb3JpZ2luX2Vj${randomBytes(252).toString('base64')}`;
    this.#byAccessKey.set(accessKeyId, { principal, signingRoot, sessionToken, expiresAt });
    return { accessKeyId, secretAccessKey, sessionToken };
  }

  find(accessKeyId: string): StoredCredentials | undefined {
    return this.#byAccessKey.get(accessKeyId);
  }

  /** Forgets a key, as an administrator does who deletes it. */
  remove(accessKeyId: string): void {
    this.#byAccessKey.delete(accessKeyId);
  }

  /** Ends every session now, or those of one role; users' own keys stay. */
  expireSessions(now: number, role?: Role): void {
    for (const stored of this.#byAccessKey.values()) {
      const { principal, expiresAt } = stored;
      const isMeant = role === undefined || (principal.kind === 'session' && principal.role === role);
      if (expiresAt !== undefined && isMeant) stored.expiresAt = Math.min(expiresAt, now);
    }
  }
}
