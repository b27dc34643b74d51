/** The entry of the Vault provider (being built). */
import type { Clock } from '../../base/clock.ts';
import type { VaultKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';

export interface VaultCredentialOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeoutMs: number;
}
export interface VaultCredentials extends Disposable {
  expiries(): { readonly expiresAtMs: number }[];
}
export interface VaultRuntime {
  readonly clock: Clock;
  readonly tenantId: string;
  readonly timeoutMs: number;
  readonly credentials: VaultCredentials;
}
export function openVaultCredentials(_options: VaultCredentialOptions): VaultCredentials {
  throw new Error('being built');
}
export function openVaultKey(_config: VaultKeyConfig, _runtime: VaultRuntime): KeyService {
  throw new Error('being built');
}
