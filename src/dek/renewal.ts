/**
 * When an entry that is still in use is fetched anew, before its time is over: late enough to cost few calls more than
 * its end would, early enough that all entries of a tenant can be fetched inside its limit of calls. Entries that were
 * born together get times of their own.
 */

/** The part of an entry's life before its end in which it is renewed, where the limit of calls leaves time. */
const usualPart = 0.08;
/** The largest part: a life that is short beside the limit of calls. */
const largestPart = 0.5;
/** How much more time there is than the calls for all entries take. */
const slack = 2;
/** The earliest and the latest renewal inside that part, as a share of it. */
const [latest, earliest] = [0.2, 1];
/** After an attempt the next one comes when this much of the time that was left is left. */
const nextAttempt = 0.7;

/** What the entries of a tenant have in common. */
export interface RenewalTerms {
  readonly ttlMs: number;
  /** How many there are. */
  readonly entries: number;
  /** The tenant's limit of calls. */
  readonly callsPerSecond: number;
}

/** How long before their end entries are renewed, in milliseconds: the first of them, and none earlier. */
export function renewalLead({ ttlMs, entries, callsPerSecond }: RenewalTerms): number {
  const needed = (slack * entries * 1000) / callsPerSecond;
  return Math.min(Math.max(needed, usualPart * ttlMs), largestPart * ttlMs);
}

/** An entry's own share of the lead. `random` is in [0, 1). */
export function renewalShare(random: () => number): number {
  return latest + (earliest - latest) * random();
}

/** The share at which to try again, where an attempt began with `remainingMs` left. */
export function shareAfterAttempt(remainingMs: number, leadMs: number): number {
  return (nextAttempt * remainingMs) / leadMs;
}
