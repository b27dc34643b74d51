/** The entry of the Azure provider (being built). */
import type { Clock } from '../../base/clock.ts';
import type { AzureKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';

export interface AzureCredentialOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeoutMs: number;
  readonly authorityHost?: string;
}
export interface AzureCredentials extends Disposable {
  expiries(): { readonly expiresAtMs: number }[];
}
export interface AzureRuntime {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly proofMs: number;
  readonly isTrusted: boolean;
  readonly credentials: AzureCredentials;
}
export function openAzureCredentials(_options: AzureCredentialOptions): AzureCredentials {
  throw new Error('being built');
}
export function openAzureKey(_config: AzureKeyConfig, _runtime: AzureRuntime): KeyService {
  throw new Error('being built');
}
