/**
 * The next step after a failed call, by what failed. keyproxy's own clauses: they follow the reason's sentence in what
 * callers and operators read, and carry nothing of AWS's text or of the request.
 */
import type { KmsFault } from '../fault.ts';
import { adviceForUnreached, isUntrustedCertificate } from '../transport-codes.ts';

/** What is known of a failed call. */
export interface Failure {
  /** The operation by AWS's own name; `GetCredentials` for keyproxy's own. */
  readonly operation: string;
  /** AWS's code, or the transport's. */
  readonly code: string;
  readonly fault: KmsFault;
}

type AdviceTable = Readonly<Record<string, string>>;

const ownCredentials =
  "check keyproxy's own credentials for AWS (environment, web identity, Pod Identity, instance role or shared file): " +
  'there are none, AWS does not know them, or they have expired; a clock that is minutes off has the ' +
  'same effect, and a credential_process is not run: the hardened process starts no programs';
const wrongArn = 'check key_arn: it has to be arn:aws:kms:REGION:ACCOUNT:key/KEY-ID, with an account of 12 digits';
const unsuitableKey =
  'give the ARN of a symmetric key, or of an RSA key whose usage is ENCRYPT_DECRYPT and which keyproxy may describe ' +
  '(kms:DescribeKey)';
const deniedRole =
  "check that the role exists, that its trust policy names keyproxy's own identity, that external_id is the one it " +
  "demands, and that keyproxy's own identity may assume it (sts:AssumeRole)";
const disabledRegion = "enable the key's region in the customer's account and in keyproxy's own";

/** Codes of the service, whatever the operation. */
const byCode: AdviceTable = {
  DisabledException: 'enable the key again (aws kms enable-key), or configure another one',
  KMSInvalidStateException: 'let keyproxy call kms:DescribeKey, which tells the state that the key is in',
  NotFoundException:
    'check that key_arn names the right account and region, that the endpoint is one of that region, and that the key ' +
    'has not been deleted',
  InvalidKeyUsageException: unsuitableKey,
  UnsupportedOperationException: unsuitableKey,
  InvalidArnException: wrongArn,
  ValidationException: wrongArn,
  ValidationError: 'check role_arn and external_id: AWS does not accept one of them in this form',
  OptInRequired: disabledRegion,
  RegionDisabledException: disabledRegion,
  PackedPolicyTooLarge: "shorten the session tags of keyproxy's own identity: AWS's limit for them is used up",
  PackedPolicyTooLargeException: "shorten the session tags of keyproxy's own identity: AWS's limit for them is used up",
};

const untrusted =
  "check the endpoint's certificate: keyproxy trusts the system's authorities, and those in NODE_EXTRA_CA_CERTS";

/** A status without a code of the service's, or a success that does not parse: the page of something in between. */
const foreignAnswer = /^HTTP [1-5]\d\d$|^SyntaxError$/;
const foreignPage =
  'something between keyproxy and AWS answered in its place: check proxies on the way, and that the endpoint is right';

/** What the state of a key asks for (`KeyState` of DescribeKey), where the state is why a call failed. */
export const adviceForState: AdviceTable = {
  Disabled: 'enable the key again (aws kms enable-key), or configure another one',
  PendingDeletion: 'cancel the deletion (aws kms cancel-key-deletion) and enable the key while there is time',
  PendingReplicaDeletion: 'cancel the deletion (aws kms cancel-key-deletion) and enable the key while there is time',
  PendingImport: "import the key's material (aws kms import-key-material), or configure another key",
  Unavailable: 'connect the custom key store that the key is in (aws kms connect-custom-key-store)',
  Enabled: "check the key's custom key store: its key manager, or its proxy, does not answer AWS in time or refuses it",
};

/** Where an answer came from another key than the configured one. */
export const adviceForOtherKey = 'give the ARN of the key itself in key_arn, not that of an alias';

/** For a key that cannot wrap. */
export const adviceForUnsuitableKey: string = unsuitableKey;

/** The clause for a failure; undefined where there is nothing to do but wait, and for faults of the data. */
export function adviceFor({ operation, code, fault }: Failure): string | undefined {
  if (fault.kind === 'data') return undefined;
  if (fault.kind === 'credentials') return ownCredentials;
  if (fault.kind === 'refusal' && fault.reason === 'ROLE_DENIED') return deniedRole;
  if (fault.kind === 'refusal' && fault.reason === 'KEY_ACCESS_DENIED') return deniedKey(operation);
  if (fault.kind === 'outage' && fault.reason === 'KEY_SERVICE_THROTTLED') {
    return "raise the request quota of the customer's account for this region, or lower kms_calls_per_second";
  }
  if (Object.hasOwn(byCode, code)) return byCode[code];
  if (isUntrustedCertificate(code)) return untrusted;
  return foreignAnswer.test(code) ? foreignPage : adviceForUnreached(code);
}

/** The policy is the customer's and not seen from here, so all that may be wrong with it is said. */
function deniedKey(operation: string): string {
  return (
    `check that the key's policy, and the policies of the role or user that keyproxy uses, allow kms:${operation} on ` +
    'the key, and that no condition stands against it: one on kms:ViaService excludes every direct call'
  );
}
