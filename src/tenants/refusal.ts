/** A customer's no, as it is kept while it is in force. */
import { KmsError, type KmsFault, type RefusalReason } from '../kms/fault.ts';

/** Reasons of ambiguous faults that can stand for a no; whatever else stays unclear for too long is told as a state. */
const refusalReasons: readonly string[] = [
  'KEY_DISABLED',
  'KEY_PENDING_DELETION',
  'KEY_STATE_INVALID',
  'KEY_ACCESS_DENIED',
  'KEY_NOT_FOUND',
  'ROLE_DENIED',
] satisfies RefusalReason[];

/** A key service's no to the key as a whole. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** What calls fail with while it is in force. */
  readonly error: KmsError;
  /** When it was heard, in milliseconds since 1970. */
  readonly since: number;
}

/** What is kept of a refusal where it has to outlive the process. */
export interface RefusalRecord {
  readonly reason: RefusalReason;
  readonly since: number;
  readonly provider: string;
  readonly providerCode?: string;
  readonly requestId?: string;
}

/** Tells whether a text of somebody's is a reason to refuse. */
export function isRefusalReason(text: unknown): text is RefusalReason {
  return typeof text === 'string' && refusalReasons.includes(text);
}

/** The refusal of a key by what its service answered; an answer that stayed unclear counts as one. */
export function refusalBy(error: KmsError, since: number): Refusal {
  const reason = reasonOf(error.fault);
  return { reason, since, error: new KmsError({ kind: 'refusal', reason, keyWide: true }, error.details) };
}

/** A refusal that another process wrote down. */
export function refusalFrom({ reason, since, provider, providerCode, requestId }: RefusalRecord): Refusal {
  const details = {
    provider,
    operation: 'Canary',
    ...(providerCode !== undefined && { providerCode }),
    ...(requestId !== undefined && { requestId }),
  };
  return { reason, since, error: new KmsError({ kind: 'refusal', reason, keyWide: true }, details) };
}

/** What to write down of a refusal. */
export function recordOf({ reason, since, error }: Refusal): RefusalRecord {
  const { provider, providerCode, requestId } = error.details;
  return {
    ...{ reason, since, provider },
    ...(providerCode !== undefined && { providerCode }),
    ...(requestId !== undefined && { requestId }),
  };
}

function reasonOf(fault: KmsFault): RefusalReason {
  return 'reason' in fault && isRefusalReason(fault.reason) ? fault.reason : 'KEY_STATE_INVALID';
}
