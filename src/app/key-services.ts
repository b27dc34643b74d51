/**
 * Opens keys, each by its provider, and dresses every one alike: calls are counted, cut short while the service is
 * silent, and repeated. A provider's code is loaded when the first tenant needs it.
 */
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { Authorities } from '../kms/authorities.ts';
import { type GuardedKey, guarded } from '../kms/guarded.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import type { KeyService, ProviderName } from '../kms/key-service.ts';
import { type KmsCall, observed } from '../kms/observed.ts';

/** How long one call for credentials may take, in milliseconds; they are shared, so no tenant's file sets it. */
const credentialsTimeoutMs = 5000;

export interface KeyServicesOptions {
  readonly clock: Clock;
  readonly authorities: Authorities;
  /** Origins of simulators and private endpoints, for which some checks of a provider's library are off. */
  readonly trustedEndpoints: readonly string[];
}

/** What one key is opened for. */
export interface KeyUse {
  readonly tenantId: string;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly callsPerSecond: number;
  /** Calls under way at a time. */
  readonly concurrency: number;
  /** How long an answer of the key's service counts as proof that the key may be used, in milliseconds. */
  readonly intervalMs: number;
  /** Told of every call. */
  readonly report: (call: KmsCall) => void;
  /** Told when the key's service has gone silent, and when it answers again. */
  readonly onCircuit?: (state: 'open' | 'closed') => void;
  /** Throws a `KmsError` where no call may be made that is not the canary's. */
  readonly expectUsable?: () => void;
  /** Put around the calls that are not the canary's. */
  readonly around?: (calls: KeyService) => KeyService;
}

/** Opens keys. */
export interface KeyOpener {
  open(config: KeyConfig, use: KeyUse): Promise<GuardedKey>;
}

/** The credentials that all keys of one provider share. */
interface Credentials extends Disposable {
  /** When those in hand expire. */
  expiries(): readonly { readonly expiresAtMs: number }[];
}

/** What every source of credentials is opened with. */
interface CredentialOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeoutMs: number;
}

export class KeyServices implements KeyOpener, AsyncDisposable {
  readonly #options: KeyServicesOptions;
  readonly #opened = new Map<ProviderName, Credentials>();

  constructor(options: KeyServicesOptions) {
    this.#options = options;
  }

  /** When the earliest of the credentials in use ends, by provider, in milliseconds since 1970. */
  credentialExpiries(): { provider: string; expiresAtMs: number }[] {
    return [...this.#opened].flatMap(([provider, credentials]) => {
      const times = credentials.expiries().map((expiry) => expiry.expiresAtMs);
      return times.length === 0 ? [] : [{ provider, expiresAtMs: Math.min(...times) }];
    });
  }

  /** Opens one key. */
  async open(config: KeyConfig, use: KeyUse): Promise<GuardedKey> {
    const { clock } = this.#options;
    const { timeoutMs, callsPerSecond, concurrency, intervalMs, report, onCircuit, expectUsable } = use;
    const { around = (calls) => calls } = use;
    const bare = await this.#bare(config, use);
    const breaker = { longestPauseMs: intervalMs, ...(onCircuit && { onChange: onCircuit }) };
    return guarded(
      { calls: around(observed(bare, clock, report)), canary: observed(bare, clock, report, 'canary') },
      {
        ...{ clock, random: Math.random, timeoutMs, callsPerSecond, concurrency, breaker },
        ...(expectUsable && { expectUsable }),
      },
    );
  }

  async #bare(config: KeyConfig, use: KeyUse): Promise<KeyService> {
    const { clock, authorities, trustedEndpoints } = this.#options;
    const { tenantId, timeoutMs, intervalMs: proofMs } = use;
    switch (config.provider) {
      case 'local': {
        const { openLocalKey } = await import('../kms/local/open.ts');
        return openLocalKey(config);
      }
      case 'aws_kms': {
        const { openAwsCredentials, openAwsKey } = await import('../kms/aws/open.ts');
        const { awsSts: stsEndpoint } = authorities;
        const own = { nodeName: hostname(), ...(stsEndpoint !== undefined && { stsEndpoint }) };
        const credentials = this.#shared('aws_kms', (options) => openAwsCredentials({ ...options, ...own }));
        return openAwsKey(config, { clock, tenantId, timeoutMs, credentials });
      }
      case 'azure_kv': {
        const { openAzureCredentials, openAzureKey } = await import('../kms/azure/open.ts');
        const own = authorities.azure === undefined ? {} : { authorityHost: authorities.azure };
        const credentials = this.#shared('azure_kv', (options) => openAzureCredentials({ ...options, ...own }));
        const isTrusted = trustedEndpoints.includes(config.vaultUrl);
        return openAzureKey(config, { clock, timeoutMs, proofMs, isTrusted, credentials });
      }
      case 'gcp_kms': {
        const { openGcpCredentials, openGcpKey } = await import('../kms/gcp/open.ts');
        const credentials = this.#shared('gcp_kms', (options) => openGcpCredentials({ ...options, authorities }));
        return openGcpKey(config, { clock, timeoutMs, proofMs, credentials });
      }
      case 'vault': {
        const { openVaultCredentials, openVaultKey } = await import('../kms/vault/open.ts');
        const credentials = this.#shared('vault', (options) => openVaultCredentials(options));
        return openVaultKey(config, { clock, timeoutMs, tenantId, credentials });
      }
    }
  }

  /** The credentials of a provider, opened by whoever is first. */
  #shared<C extends Credentials>(provider: ProviderName, open: (options: CredentialOptions) => C): C {
    const existing = this.#opened.get(provider);
    // The map is written here alone, so what it holds for a provider is what that provider's own function made.
    if (existing !== undefined) return existing as C;
    const made = open({ clock: this.#options.clock, random: Math.random, timeoutMs: credentialsTimeoutMs });
    this.#opened.set(provider, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const credentials of this.#opened.values()) credentials[Symbol.dispose]();
    this.#opened.clear();
  }
}
