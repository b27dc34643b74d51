/** Everything that the simulator's services read and change. */
import type { KeyObject } from 'node:crypto';
import type { RateLimit } from '../aws/rate-limit.ts';
import type { Call } from './calls.ts';
import type { GcpFaults } from './faults.ts';
import type { Policies } from './iam.ts';
import type { KeyStore } from './keys.ts';
import type { TokenStore } from './tokens.ts';

/** A service account. */
export interface Account {
  readonly email: string;
  readonly project: string;
  /** The public halves of its keys, by the key's id. */
  readonly keys: Map<string, KeyObject>;
  /** Who may act as it: addresses, `principal://…`, `principalSet://…/*`. */
  readonly impersonators: Set<string>;
}

/** A provider of a workload identity pool. */
export interface WorkloadProvider {
  /** `//iam.googleapis.com/projects/…/locations/global/workloadIdentityPools/…/providers/…` */
  readonly audience: string;
  /** `iam.googleapis.com/projects/…/locations/global/workloadIdentityPools/…` */
  readonly pool: string;
  readonly project: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  /** What a subject token's `aud` may be. */
  readonly allowedAudiences: readonly string[];
  /** The subjects that the attribute condition lets in; all where undefined. */
  allowedSubjects: ReadonlySet<string> | undefined;
  disabled: boolean;
}

/** The state behind all services of one simulator. */
export interface SimulatedCloud {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly keys: KeyStore;
  readonly policies: Policies;
  readonly tokens: TokenStore;
  /** By address. */
  readonly accounts: Map<string, Account>;
  /** By audience. */
  readonly providers: Map<string, WorkloadProvider>;
  /** The account of the machine whose metadata server this is; none where it has none. */
  attached: Account | undefined;
  /** Projects that have the Cloud KMS API switched off. */
  readonly withoutKms: Set<string>;
  readonly faults: GcpFaults;
  readonly rateLimit: RateLimit;
  readonly calls: Call[];
}
