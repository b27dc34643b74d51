/**
 * What Cloud KMS says when it does not do what it was asked, and what that means: by gRPC code first, then by what
 * the details of the status say. Sources: "Error handling" in the API design guide (https://google.aip.dev/193 and
 * google/rpc/code.proto), google/api/error_reason.proto, "Cloud EKM error reference"
 * (https://cloud.google.com/kms/docs/reference/ekm_errors), "Key version states"
 * (https://cloud.google.com/kms/docs/key-states).
 */
import type { KmsFault } from '../fault.ts';

/** A fault with the next step for whoever has to act. */
export interface Sorted {
  readonly fault: KmsFault;
  readonly advice?: string;
}

type Table = Readonly<Record<string, Sorted>>;

/** No answer, or none of the service's own. */
export const unavailable: Sorted = { fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } };
const throttled: Sorted = { fault: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } };
/** What says nothing that is known here. */
export const unclear: Sorted = { fault: { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' } };

function misconfigured(advice: string): Sorted {
  return { fault: { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, advice };
}

/** Whether a refusal is one of the whole key depends on the call and the version; `failure.ts` decides. */
function refused(reason: 'KEY_DISABLED' | 'KEY_PENDING_DELETION' | 'KEY_STATE_INVALID' | 'KEY_ACCESS_DENIED') {
  return (advice: string): Sorted => ({ fault: { kind: 'refusal', reason, keyWide: false }, advice });
}

/** gRPC codes by their numbers (google/rpc/code.proto). */
export const grpcCodeNames: Readonly<Record<number, string>> = {
  1: 'CANCELLED',
  2: 'UNKNOWN',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  10: 'ABORTED',
  11: 'OUT_OF_RANGE',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  15: 'DATA_LOSS',
  16: 'UNAUTHENTICATED',
};

/** By gRPC code, of any call. */
export const codeFaults: Table = {
  CANCELLED: unavailable,
  UNKNOWN: unavailable,
  DEADLINE_EXCEEDED: unavailable,
  ABORTED: unavailable,
  INTERNAL: unavailable,
  UNAVAILABLE: unavailable,
  DATA_LOSS: unavailable,
  RESOURCE_EXHAUSTED: throttled,
  UNAUTHENTICATED: {
    fault: { kind: 'credentials' },
    advice: "check keyproxy's service account and the clock of this machine",
  },
  PERMISSION_DENIED: refused('KEY_ACCESS_DENIED')(
    'check that keyproxy has roles/cloudkms.cryptoKeyEncrypterDecrypter on the key (roles/cloudkms.cryptoKeyDecrypter ' +
      'and roles/cloudkms.publicKeyViewer on an RSA key), and that no IAM condition or perimeter excludes it',
  ),
  // The version's state decides, where details or GetCryptoKeyVersion tell it; an API that is switched off or an
  // external key manager in trouble may look the same, so the code by itself refuses nothing.
  FAILED_PRECONDITION: {
    fault: { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' },
    advice: 'check the state of the key version; roles/cloudkms.viewer lets keyproxy tell it',
  },
  NOT_FOUND: {
    fault: { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },
    advice: 'check project, location, key ring and name of the key',
  },
  INVALID_ARGUMENT: misconfigured('check that key_name names a key for encryption and decryption'),
  OUT_OF_RANGE: misconfigured('check key_name and key_version'),
  UNIMPLEMENTED: misconfigured('check that the endpoint is one of Cloud KMS'),
  ALREADY_EXISTS: unclear,
};

/** Decryption alone: what is not valid there is the ciphertext or the context that somebody handed in. */
export const decryptFaults: Table = { ...codeFaults, INVALID_ARGUMENT: { fault: { kind: 'data' } } };

/** By the reason of a `google.rpc.ErrorInfo`, whatever the code: nothing here is about the key itself. */
export const reasonFaults: Table = {
  SERVICE_DISABLED: misconfigured("enable the Cloud KMS API (cloudkms.googleapis.com) in the key's project"),
  CONSUMER_INVALID: misconfigured("check that the key's project exists and is active"),
  CONSUMER_SUSPENDED: misconfigured("check that the key's project is not suspended"),
  BILLING_DISABLED: misconfigured("enable billing for the key's project"),
  USER_PROJECT_DENIED: misconfigured('check the quota project of the credentials'),
  LOCATION_POLICY_VIOLATED: misconfigured("check the organisation's policy on resource locations"),
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: misconfigured(
    'check that the credentials may ask for the scope https://www.googleapis.com/auth/cloudkms',
  ),
  SECURITY_POLICY_VIOLATED: refused('KEY_ACCESS_DENIED')(
    "check the VPC Service Controls perimeter of the key's project: it excludes keyproxy's identity or network",
  ),
  RATE_LIMIT_EXCEEDED: throttled,
  RESOURCE_QUOTA_EXCEEDED: throttled,
};

const askEkm = 'check the external key manager';

/**
 * By the type of a violation of `google.rpc.PreconditionFailure`: what Cloud KMS met at an external key manager, its
 * "error domain". A customer whose key manager cannot be reached has refused nothing; one whose key manager denies has.
 */
export const ekmFaults: Table = {
  EXTERNAL_PERMISSION_DENIED: refused('KEY_ACCESS_DENIED')(
    'the external key manager denied it: grant Cloud EKM the use of the key there, then rotate the Cloud EKM key',
  ),
  EXTERNAL_NOT_FOUND: {
    fault: { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },
    advice: 'check the URI or path of the key in the external key manager',
  },
  EXTERNAL_KEY_URI_INVALID: misconfigured('correct the URI of the external key and rotate the Cloud EKM key'),
  EXTERNAL_KEY_HOST_NOT_WHITELISTED: misconfigured("check the host in the external key's URI"),
  EXTERNAL_NOT_IMPLEMENTED: misconfigured('the external key manager does not offer what Cloud EKM needs'),
  DNS: { ...unavailable, advice: "check the external key manager's host name" },
  EXTERNAL_RESOURCE_EXHAUSTED: { ...throttled, advice: askEkm },
  OVERLOADED_EKM: { ...throttled, advice: askEkm },
  UNREACHABLE_NETWORK: { ...unavailable, advice: askEkm },
  TIMEOUT: { ...unavailable, advice: askEkm },
  REQUEST_CANCELLED: { ...unavailable, advice: askEkm },
  TLS_CERT: { ...unavailable, advice: "check the external key manager's TLS certificate" },
  UNEXPECTED_RESPONSE: { ...unavailable, advice: askEkm },
  EXTERNAL_SERVER_ERROR: { ...unavailable, advice: askEkm },
  UNEXPECTED_ERROR: { ...unavailable, advice: askEkm },
};

const disabled = refused('KEY_DISABLED')('enable the key version');
const pendingDeletion = refused('KEY_PENDING_DELETION')('restore and enable the key version while that is possible');
const destroyed = refused('KEY_PENDING_DELETION')('the key version has been destroyed: what it wrapped is lost');
const notReady = refused('KEY_STATE_INVALID')('make a key version that is enabled the primary');

/** By the state of a key version. One that is enabled was not what the call failed for. */
export const versionStateFaults: Table = {
  DISABLED: disabled,
  DESTROY_SCHEDULED: pendingDeletion,
  DESTROYED: destroyed,
  PENDING_GENERATION: notReady,
  PENDING_IMPORT: notReady,
  IMPORT_FAILED: notReady,
  GENERATION_FAILED: notReady,
  PENDING_EXTERNAL_DESTRUCTION: destroyed,
  EXTERNAL_DESTRUCTION_FAILED: destroyed,
  ENABLED: unclear,
};

/**
 * By the type of a violation that tells the version's state, with the version as its subject:
 * `KEY_` and the state, `KEY_DISABLED` say.
 */
export const violationStateFaults: Table = Object.fromEntries(
  Object.entries(versionStateFaults)
    .filter(([state]) => state !== 'ENABLED')
    .map(([state, sorted]) => [`KEY_${state}`, sorted]),
);
