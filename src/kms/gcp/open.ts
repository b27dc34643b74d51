/** The entry of the Google Cloud provider (being built). */
import type { Clock } from '../../base/clock.ts';
import type { Authorities } from '../authorities.ts';
import type { GcpKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';

export interface GcpCredentialOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeoutMs: number;
  readonly authorities: Authorities;
}
export interface GcpCredentials extends Disposable {
  expiries(): { readonly expiresAtMs: number }[];
}
export interface GcpRuntime {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly proofMs: number;
  readonly credentials: GcpCredentials;
}
export function openGcpCredentials(_options: GcpCredentialOptions): GcpCredentials {
  throw new Error('being built');
}
export function openGcpKey(_config: GcpKeyConfig, _runtime: GcpRuntime): KeyService {
  throw new Error('being built');
}
