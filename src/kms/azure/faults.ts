/**
 * What Azure Key Vault and Managed HSM say when they do not do what they were asked, and what that means. Sources:
 * "Azure Key Vault REST API error codes" and "Common error codes for Azure Key Vault"; "About keys: key attributes"
 * for keys outside of their time.
 */
import type { KmsFault } from '../fault.ts';

/** What a code means, and what whoever has to act does about it. */
export interface FaultRow {
  readonly fault: KmsFault;
  readonly advice?: string;
}

/** Code → meaning. */
export type FaultTable = Readonly<Record<string, FaultRow>>;

const unavailable: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } };
const throttled: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } };
const staleToken: FaultRow = {
  fault: { kind: 'credentials' },
  advice: "check that the vault trusts the configured tenant, and that this machine's clock is right",
};
const misconfigured: FaultRow = {
  fault: { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' },
  advice: 'check vault_url, key_name and key_version',
};
const unsuitable: FaultRow = {
  fault: { kind: 'config', reason: 'KEY_UNSUITABLE' },
  advice: 'use an RSA-HSM key of at least 3072 bits with the operation unwrapKey, or an oct-HSM key on a managed HSM',
};

/**
 * Permissions of Azure hold for a key, whatever the request: there is no condition on its content. So where unwrapKey
 * is denied, every entry of the key is; where another operation is denied, entries still open.
 */
function denied(keyWide: boolean, permissions: string): FaultRow {
  return {
    fault: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide },
    advice: `grant keyproxy's identity the key permissions ${permissions}, or the role that contains them`,
  };
}

/**
 * The customer's own no, or an address of ours that has changed: the network is judged, not who asks. It says nothing
 * about the key, and the same identity may be let in from elsewhere.
 */
const networkDenied: FaultRow = {
  fault: { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' },
  advice: "let keyproxy's address through the vault's firewall, or give keyproxy a private endpoint",
};

function disabled(keyWide: boolean): FaultRow {
  return {
    fault: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide },
    advice: "enable the key's version in the vault",
  };
}

function outsideItsTime(keyWide: boolean): FaultRow {
  return {
    fault: { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide },
    advice: "change the key's activation and expiration dates, or make a new version",
  };
}

const deleted: FaultRow = {
  fault: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
  advice: 'the key is deleted but can still be recovered; recover it in the vault',
};
const missing: FaultRow = {
  fault: { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },
  advice: 'check that vault_url and key_name are right and that the key has not been purged',
};

/** Codes that say the same whatever was asked. The service's inner code is looked up first, then its outer one. */
const commonFaults: FaultTable = {
  Unauthorized: staleToken,

  ForbiddenByFirewall: networkDenied,
  ForbiddenByConnection: networkDenied,

  KeyDisabled: disabled(true),
  KeyNotYetValid: outsideItsTime(true),
  KeyExpired: outsideItsTime(true),

  KeyNotFound: missing,
  ObjectIsDeletedButRecoverable: deleted,
  ObjectIsBeingDeleted: deleted,

  BadParameter: misconfigured,
  KeyOperationForbidden: unsuitable,
  KeyOperationNotPermitted: unsuitable,
  NotSupported: unsuitable,

  Throttled: throttled,
  TooManyRequests: throttled,
  VaultRequestTypeLimitReached: throttled,

  Conflict: unavailable,
  InternalServerError: unavailable,
  InternalError: unavailable,
  ServiceUnavailable: unavailable,
};

/** `denied` under each of its names: inner codes, and the outer one that comes alone from a managed HSM. */
function deniedBy(row: FaultRow): FaultTable {
  return { ForbiddenByRbac: row, ForbiddenByPolicy: row, AccessDenied: row, Forbidden: row };
}

/** unwrapKey: what cannot be opened there is the entry that somebody handed in. */
export const unwrapFaults: FaultTable = {
  ...commonFaults,
  ...deniedBy(denied(true, 'get and unwrapKey')),
  BadParameter: { fault: { kind: 'data' } },
};

/** wrapKey, needed for symmetric keys alone. Keys outside of their time still unwrap, so that is no refusal of the key. */
export const wrapFaults: FaultTable = {
  ...commonFaults,
  ...deniedBy(denied(false, 'get, wrapKey and unwrapKey (a symmetric key cannot be wrapped with from outside)')),
  KeyDisabled: disabled(false),
  KeyNotYetValid: outsideItsTime(false),
  KeyExpired: outsideItsTime(false),
  BadParameter: unsuitable,
};

/** Reading a key or a deleted one. */
export const readFaults: FaultTable = {
  ...commonFaults,
  ...deniedBy(denied(false, 'get and unwrapKey')),
};

/** Statuses where no code of the service's own decides. */
const statusFaults: Readonly<Record<number, FaultRow>> = { 401: staleToken, 404: missing, 429: throttled };

/** The service's own codes of one answer, and its status. */
export interface FailedAnswer {
  readonly status: number;
  readonly innerCode?: string;
  readonly code?: string;
}

/**
 * Sorts an answer by `table`. Without a code it is not one of the service's and says nothing about permission, whatever
 * its status; an unknown code is ambiguous, unless its status says what it means.
 */
export function sortFault(table: FaultTable, { status, innerCode, code }: FailedAnswer): FaultRow {
  for (const known of [innerCode, code]) {
    if (known !== undefined && Object.hasOwn(table, known)) return table[known] ?? unavailable;
    // A reason for a 403 that is new here may be the network's, as a firewall's is.
    if (known === innerCode && known !== undefined && status === 403) return networkDenied;
  }
  if (status === 429) return throttled;
  if ((code ?? innerCode) === undefined || status >= 500) return unavailable;
  return statusFaults[status] ?? { fault: { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' } };
}
