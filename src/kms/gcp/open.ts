/**
 * The entry of the Google Cloud provider. Load it with `import()` when the first tenant needs it: this folder alone
 * brings Google's libraries into the process.
 */
import type { Clock } from '../../base/clock.ts';
import type { GcpKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';
import { type GcpCredentialOptions, GcpCredentials } from './credentials.ts';
import { GcpKey } from './key.ts';
import { KmsCalls } from './kms-calls.ts';

/** What a key needs beside its configuration. */
export interface GcpRuntime {
  readonly clock: Clock;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long an unwrap counts as proof that an RSA key may be used, in milliseconds. */
  readonly proofMs: number;
  /** The process's one source of tokens and clients; stays the caller's, and has to outlive the key. */
  readonly credentials: GcpCredentials;
}

/** Opens the source of tokens that all Google Cloud keys of a process share. Asks nobody for anything yet. */
export function openGcpCredentials(options: GcpCredentialOptions): GcpCredentials {
  return new GcpCredentials(options);
}

/**
 * Opens a key. Asks nobody for anything yet: what is wrong with key, account or network shows with the first call.
 * Calls are not repeated, but for stale tokens and bytes that changed on their way; `withRetries` does that.
 */
export function openGcpKey(config: GcpKeyConfig, runtime: GcpRuntime): KeyService {
  const { clock, timeoutMs, proofMs, credentials } = runtime;
  const { keyName, keyVersion: configured, credential, impersonate, endpoint } = config;
  const tokens = credentials.lease({ credential, ...(impersonate !== undefined && { impersonate }) });
  const client = credentials.connections.lease(endpoint);
  return new GcpKey(new KmsCalls(keyName, { clock, timeoutMs, client, tokens }), { clock, proofMs, configured });
}
