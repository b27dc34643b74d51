/** Turns whatever a call to Cloud KMS ended with into a `KmsError`. */
import { KmsError, type KmsErrorDetails, type KmsFault } from '../fault.ts';
import {
  codeFaults,
  decryptFaults,
  ekmFaults,
  grpcCodeNames,
  reasonFaults,
  type Sorted,
  unavailable,
  unclear,
  versionStateFaults,
  violationStateFaults,
} from './faults.ts';
import { versionOf } from './names.ts';
import { type CallStatus, statusOf } from './status-details.ts';

/** The operations of Cloud KMS that keyproxy uses, by the client's names for them. */
export type KmsAction =
  | 'encrypt'
  | 'decrypt'
  | 'asymmetricDecrypt'
  | 'getPublicKey'
  | 'getCryptoKey'
  | 'getCryptoKeyVersion'
  | 'listCryptoKeyVersions'
  | 'testIamPermissions';

/** What is known of a call for the reading of its failure. */
export interface CallSubject {
  readonly action: KmsAction;
  readonly keyName: string;
  /** The number of the version that was asked for; absent: whichever Google takes. */
  readonly version?: string;
  /** The number of the version that new data keys go under, where it is known. */
  readonly current?: string;
}

/** For a call that Cloud KMS itself said nothing to: the gRPC client tells the causes apart in its own text alone. */
const noService =
  'what answered, if anything, is not Cloud KMS: check the endpoint, routes and proxies on the way, and that the ' +
  'certificate shown there is from an authority that keyproxy trusts';

/** A failed call together with the version that it failed for. */
export class GcpKmsError extends KmsError {
  /** The number of the version, where answer or request name one. */
  readonly version: string | undefined;

  constructor(fault: KmsFault, details: KmsErrorDetails, version?: string) {
    super(fault, details);
    this.version = version;
  }
}

/** The operation by Google's own name for it. */
export function operationName(action: KmsAction): string {
  return `${action.charAt(0).toUpperCase()}${action.slice(1)}`;
}

/** The error for a call that the client ended with `thrown`. `isFromService`: whether the service itself said so. */
export function kmsErrorFrom(thrown: unknown, subject: CallSubject, isFromService: boolean): KmsError {
  if (thrown instanceof KmsError) return thrown;
  const status = statusOf(thrown);
  if (!isFromService) {
    return error({ ...unavailable, advice: noService }, subject, { providerCode: transportCode(status) });
  }
  const version = status.violations.map((v) => versionOf(subject.keyName, v.subject)).find((v) => v !== undefined);
  const { sorted, by } = sort(subject.action, status);
  const code = grpcCodeNames[status.code ?? 0];
  const details = {
    providerCode: [code ?? 'NO_CODE', ...(by === undefined ? [] : [by])].join('/'),
    ...(status.requestId !== undefined && { requestId: status.requestId }),
  };
  const about = version ?? subject.version;
  const met = { ...subject, ...(about !== undefined && { version: about }) };
  const reached = withReach(withPause(sorted, status), met, code === 'PERMISSION_DENIED');
  return error(reached, subject, details, about);
}

/** The error for a version whose state is known, or `failure` as it was where that tells nothing. */
export function withVersionState(failure: GcpKmsError, state: string, subject: CallSubject): KmsError {
  const sorted = Object.hasOwn(versionStateFaults, state) ? versionStateFaults[state] : undefined;
  if (sorted === undefined) return failure;
  const { requestId, providerCode } = failure.details;
  const details = {
    ...(providerCode !== undefined && { providerCode }),
    ...(requestId !== undefined && { requestId }),
  };
  return error(withReach(sorted, subject, false), subject, details, failure.version);
}

/** The error for an answer that came with success and yet is none. */
export function unusableAnswer(action: KmsAction, providerCode: string): KmsError {
  return new KmsError(unavailable.fault, { provider: 'gcp_kms', operation: operationName(action), providerCode });
}

/** The details of a status say more than its code; `by` is what the fault was found under. */
function sort(action: KmsAction, status: CallStatus): { sorted: Sorted; by?: string } {
  for (const [table, names] of [
    [reasonFaults, status.reason === undefined ? [] : [status.reason]],
    // An external key manager that denies also gets its key version disabled: the domain is the cause, the state not.
    [ekmFaults, status.violations.map((violation) => violation.type)],
    [violationStateFaults, status.violations.map((violation) => violation.type)],
  ] as const) {
    const by = names.find((name) => Object.hasOwn(table, name));
    const sorted = by === undefined ? undefined : table[by];
    if (by !== undefined && sorted !== undefined) return { sorted, by };
  }
  const table = action === 'decrypt' || action === 'asymmetricDecrypt' ? decryptFaults : codeFaults;
  const code = grpcCodeNames[status.code ?? 0];
  const sorted = code !== undefined && Object.hasOwn(table, code) ? table[code] : undefined;
  return { sorted: sorted ?? unclear, ...(status.reason !== undefined && { by: status.reason }) };
}

/** Says of a refusal whether it is one of the whole key. */
function withReach(sorted: Sorted, subject: CallSubject, isDenial: boolean): Sorted {
  const { fault } = sorted;
  return fault.kind === 'refusal' ? { ...sorted, fault: { ...fault, keyWide: reachesKey(subject, isDenial) } } : sorted;
}

/**
 * - IAM knows no associated data, so a denied Decrypt is the key's, whatever the request held. A denied Encrypt is not:
 *   who may only read still may.
 * - A version that is refused takes the key with it where new data keys go under it. An old one does not: one entry
 *   under a version that was retired must not take a tenant down.
 */
function reachesKey({ action, version, current }: CallSubject, isDenial: boolean): boolean {
  const isCurrent = version !== undefined && version === current;
  switch (action) {
    case 'encrypt':
      return !isDenial;
    case 'decrypt':
      return isDenial || isCurrent;
    case 'asymmetricDecrypt':
      return isCurrent;
    default:
      return isCurrent && !isDenial;
  }
}

function withPause(sorted: Sorted, { retryAfterMs }: CallStatus): Sorted {
  if (sorted.fault.kind !== 'outage' || retryAfterMs === undefined) return sorted;
  return { ...sorted, fault: { ...sorted.fault, retryAfterMs } };
}

function transportCode({ code }: CallStatus): string {
  return code === undefined ? 'NoAnswer' : `transport/${grpcCodeNames[code] ?? code}`;
}

function error(
  { fault, advice }: Sorted,
  { action }: CallSubject,
  details: { providerCode?: string; requestId?: string },
  version?: string,
): GcpKmsError {
  const operation = operationName(action);
  return new GcpKmsError(
    fault,
    { provider: 'gcp_kms', operation, ...details, ...(advice !== undefined && { advice }) },
    version,
  );
}
