/**
 * The entry of the Azure provider. Load it with `import()` when the first tenant needs it: this folder alone brings the
 * Azure libraries into the process.
 */
import type { Clock } from '../../base/clock.ts';
import type { AzureKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';
import { type AzureCredentialOptions, AzureCredentials } from './credentials.ts';
import { AzureKey } from './key.ts';
import { VaultCalls } from './vault-calls.ts';

/** What a key needs beside its configuration. */
export interface AzureRuntime {
  readonly clock: Clock;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long an unwrap counts as proof that the key may be used, in milliseconds; 0: each wrap asks. */
  readonly proofMs: number;
  /** Whether the vault is a simulator or private endpoint, which may ask for tokens of any name. */
  readonly isTrusted: boolean;
  /** The process's one source of tokens; stays the caller's, and has to outlive the key. */
  readonly credentials: AzureCredentials;
  /** Authorities in PEM that are trusted in place of the machine's own: for simulators. */
  readonly ca?: string;
}

/** Opens the source of tokens that all Azure keys of a process share. Asks nobody for anything yet. */
export function openAzureCredentials(options: AzureCredentialOptions): AzureCredentials {
  return new AzureCredentials(options);
}

/**
 * Opens a key. Asks nobody for anything yet: what is wrong with key, identity or network shows with the first call.
 * Calls are not repeated, but for stale tokens; `withRetries` does that.
 */
export function openAzureKey(config: AzureKeyConfig, runtime: AzureRuntime): KeyService {
  const { clock, timeoutMs, proofMs, isTrusted, credentials, ca } = runtime;
  const calls = new VaultCalls(config, { clock, isTrusted, credentials, ...(ca !== undefined && { ca }) });
  return new AzureKey(config, calls, { clock, timeoutMs, proofMs });
}
