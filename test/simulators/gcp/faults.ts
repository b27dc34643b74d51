/** Faults of this simulator: the common ones, errors with typed details, and answers that changed on their way. */
import type { Fault, Faults } from '../http/fault.ts';
import type { Corruption } from './corruption.ts';
import type { ErrorDetail } from './status.ts';

/** The services of the simulator. */
export type ServiceName = 'kms' | 'oauth2' | 'sts' | 'iam' | 'metadata';

/** What a fault is chosen by. `key` is a key's name, without a version; only calls of `kms` have one. */
export type GcpFaultTarget = {
  readonly service: ServiceName;
  /** A method's name (`Encrypt`), `token`, `generateAccessToken`, or the last part of the metadata's path. */
  readonly operation: string;
  readonly key: string | undefined;
};

/**
 * An error of the service's own. On `kms` and `iam` the code is a canonical one (`UNAVAILABLE`), which says the HTTP status,
 * too: `status` is not looked at. On `oauth2` and `sts` the code is OAuth's (`invalid_grant`) and the status is as given.
 */
type ErrorFault = Extract<Fault, { kind: 'error' }> & { readonly details?: readonly ErrorDetail[] };

/** The method runs; something between it and the client changes the answer. Only for calls of `kms` that succeed. */
type CorruptFault = { readonly kind: 'corrupt'; readonly what: Corruption };

/** What a call may suffer. */
export type GcpFault = Exclude<Fault, { kind: 'error' }> | ErrorFault | CorruptFault;

/** The rules in force. */
export type GcpFaults = Faults<GcpFaultTarget, GcpFault>;
