/**
 * What Google's token services say when they give no token, and what that means. Sources: RFC 6749, section 5.2, and
 * https://developers.google.com/identity/protocols/oauth2/service-account#error-codes for `error` as a string;
 * https://google.aip.dev/193 for `error` as an object with a status.
 */
import type { Sorted } from './faults.ts';
import { reasonFaults } from './faults.ts';

/** A refused request for a token. */
export interface TokenRefusal {
  readonly status: number;
  /** `invalid_grant` say, or the gRPC code's name; absent where the answer is not of either form. */
  readonly code?: string;
  /** Of a `google.rpc.ErrorInfo`. */
  readonly reason?: string;
}

/** One service's own codes, and what all its others mean. */
export interface TokenFaultTable {
  readonly codes: Readonly<Record<string, Sorted>>;
  readonly others: Sorted;
}

const unavailable: Sorted = { fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } };
const throttled: Sorted = { fault: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } };

function misconfigured(advice: string): Sorted {
  return { fault: { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, advice };
}

function notAccepted(advice: string): Sorted {
  return { fault: { kind: 'credentials' }, advice };
}

/** A service account's signature for a token (`oauth2.googleapis.com/token`). */
export const signatureFaults: TokenFaultTable = {
  codes: {
    invalid_scope: misconfigured('check that the service account may use the Cloud KMS API'),
    temporarily_unavailable: unavailable,
    server_error: unavailable,
    internal_failure: unavailable,
  },
  others: notAccepted(
    "check that the service account exists, that it is enabled, that its key is the file's, and this machine's clock",
  ),
};

const checkPool =
  'check that the workload identity pool and its provider exist and are enabled, and that issuer, audience and ' +
  "attribute condition fit the token's";

/**
 * A foreign token for one of Google's (`sts.googleapis.com/v1/token`). A pool that is gone or switched off and a
 * condition that is not met may be the customer's no or a slip of the file's; Google does not tell them apart.
 */
export const exchangeFaults: TokenFaultTable = {
  codes: {
    invalid_target: { fault: { kind: 'ambiguous', reason: 'ROLE_DENIED' }, advice: checkPool },
    unauthorized_client: { fault: { kind: 'ambiguous', reason: 'ROLE_DENIED' }, advice: checkPool },
    invalid_scope: misconfigured('check the scopes that the workload identity pool allows'),
    temporarily_unavailable: unavailable,
    server_error: unavailable,
  },
  others: notAccepted(checkPool),
};

/** The machine's own service account, from its metadata server. */
export const metadataFaults: TokenFaultTable = {
  codes: {},
  others: notAccepted('check that a service account is attached to this machine or bound to this pod'),
};

/** Somebody's own login, as the Google Cloud CLI leaves it. */
export const loginFaults: TokenFaultTable = {
  codes: {},
  others: notAccepted('log in anew with gcloud auth application-default login'),
};

/**
 * Acting as another service account (`generateAccessToken`). It is the customer's to allow, so its no is a refusal of
 * the whole key: without the account no request reaches it.
 */
export const impersonationFaults: TokenFaultTable = {
  codes: {
    PERMISSION_DENIED: denied(),
    NOT_FOUND: denied(),
    UNAUTHENTICATED: notAccepted("check keyproxy's own service account"),
    INVALID_ARGUMENT: misconfigured('check the service account that is to be impersonated'),
    // An account that its owner has disabled, or a policy of the organisation: which of them the code does not tell.
    FAILED_PRECONDITION: {
      fault: { kind: 'ambiguous', reason: 'ROLE_DENIED' },
      advice: 'check that the service account to impersonate is enabled, and its organisation policy',
    },
  },
  others: unavailable,
};

function denied(): Sorted {
  return {
    fault: { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true },
    advice:
      'check that the service account to impersonate exists and is enabled, and that keyproxy has ' +
      'roles/iam.serviceAccountTokenCreator on it',
  };
}

/** An answer in neither of Google's forms. */
const foreignPage: Sorted = {
  ...unavailable,
  advice:
    'what answered is not a token service of Google: check proxies on the way, and the authorities that are configured',
};

/**
 * Sorts a refused request. An answer in neither of Google's forms comes from something in between and says nothing
 * about permission, whatever its status.
 */
export function sortTokenRefusal(table: TokenFaultTable, refusal: TokenRefusal): Sorted {
  const { status, code, reason } = refusal;
  if (status === 429) return throttled;
  if (code === undefined) return foreignPage;
  if (status >= 500 || status === 408) return unavailable;
  if (reason !== undefined && Object.hasOwn(reasonFaults, reason)) return reasonFaults[reason] ?? unavailable;
  return (Object.hasOwn(table.codes, code) ? table.codes[code] : undefined) ?? table.others;
}
