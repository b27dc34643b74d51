/**
 * The entry of the provider for HashiCorp Vault and OpenBao. Load it with `import()` when the first tenant needs it.
 */
import type { Clock } from '../../base/clock.ts';
import { keyIdOf, type VaultKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';
import { VaultCalls } from './calls.ts';
import { type VaultCredentialOptions, VaultCredentials } from './credentials.ts';
import { VaultKey } from './key.ts';
import { Transit } from './transit.ts';

/** What a key needs beside its configuration. */
export interface VaultRuntime {
  readonly clock: Clock;
  /** Whose key it is; no login is shared with another tenant's. */
  readonly tenantId: string;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The process's one place of logins; stays the caller's, and has to outlive the key. */
  readonly credentials: VaultCredentials;
}

/** Opens the place where all logins of a process are kept. Asks nobody for anything yet. */
export function openVaultCredentials(options: VaultCredentialOptions): VaultCredentials {
  return new VaultCredentials(options);
}

/**
 * Opens a key. Asks nobody for anything yet: what is wrong with key, login or network shows with the first call. Calls
 * are not repeated, but for a token that Vault knows no longer; `withRetries` does that. Disposing of it revokes the
 * token, unless another key of the same tenant uses it.
 */
export function openVaultKey(config: VaultKeyConfig, runtime: VaultRuntime): KeyService {
  const { clock, tenantId, timeoutMs, credentials } = runtime;
  const lease = credentials.lease(config, tenantId);
  const transit = new Transit(new VaultCalls(lease.vault), config);
  return new VaultKey(transit, { keyId: keyIdOf(config), name: config.keyName, clock, timeoutMs, lease });
}
