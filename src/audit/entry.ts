/**
 * What is recorded of a call: who asked for what, as it begins, and what came of it. Nothing here is secret: names,
 * reasons of the error table and ids.
 */

/** Who asks for what. */
export interface AuditSubject {
  /** As `callerName` has it. */
  readonly caller: string;
  readonly tenant: string;
  readonly operation: string;
}

/** The key that a call used, as its provider names it. */
export interface AuditKey {
  readonly provider: string;
  readonly keyId: string;
  readonly keyVersion: string;
}

/** `denied` is keyproxy's own no to a caller, `failed` every other way in which a call comes to nothing. */
export type OutcomeName = 'ok' | 'failed' | 'denied';

/** What came of it. */
export interface AuditOutcome {
  readonly outcome: OutcomeName;
  /** Of the error table. */
  readonly reason?: string;
  readonly key?: AuditKey;
  /** Finds the entry in the customer's own audit log; there where this call went to the key service. */
  readonly providerRequestId?: string | undefined;
}
