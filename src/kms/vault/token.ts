/** A token of Vault's: what the answers to a login and to a renewal say of it. */
import type { SecretBytes } from '../../base/secret.ts';
import type { Expiring } from '../renewing.ts';
import type { VaultAnswer } from './answer.ts';

/** A token. Its secret is its session's to wipe. */
export interface VaultToken extends Expiring {
  readonly secret: SecretBytes;
  readonly isRenewable: boolean;
  /** How long it was given, in seconds; 0 for one that does not expire. */
  readonly leaseSeconds: number;
}

/** What goes into a header: printable ASCII. */
const tokenPattern = /^[\x21-\x7e]{1,4096}$/;

/** Vault counts times in nanoseconds of 64 bits, which end after 292 years; in seconds. */
const longestLease = 2 ** 63 / 1e9;

/** The token in an answer, which it is taken out of; undefined where there is none. `now` is wall-clock time. */
export function tokenOf(answer: VaultAnswer, now: number): VaultToken | undefined {
  const { client_token: token, lease_duration: lease, renewable } = answer.auth;
  if (typeof lease !== 'number' || !Number.isSafeInteger(lease) || lease < 0 || lease > longestLease) return undefined;
  const secret = answer.take(token);
  if (secret === undefined || !tokenPattern.test(secret.reveal().toString('latin1'))) {
    secret?.[Symbol.dispose]();
    return undefined;
  }
  return {
    secret,
    isRenewable: renewable === true,
    leaseSeconds: lease,
    ...(lease > 0 && { expiration: new Date(now + lease * 1000) }),
  };
}
