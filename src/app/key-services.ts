/**
 * Opens keys, each by its provider, and dresses every one alike: calls are counted and retried. A provider's code is
 * loaded when the first tenant needs it.
 */
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { AwsCredentials } from '../kms/aws/credentials.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import type { KeyService } from '../kms/key-service.ts';
import { type KmsCall, observed } from '../kms/observed.ts';
import { withRetries } from '../kms/retry.ts';

/** How long one call for credentials may take, in milliseconds; credentials are shared, so no tenant's file sets it. */
const stsTimeoutMs = 5000;

export interface KeyServicesOptions {
  readonly clock: Clock;
  /** Where role assumption asks; absent: the region's own, or the SDK's environment variables. */
  readonly stsEndpoint: string | undefined;
}

/** What one key is opened for. */
export interface KeyUse {
  readonly tenantId: string;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Told of every call. */
  readonly report: (call: KmsCall) => void;
}

export class KeyServices implements AsyncDisposable {
  readonly #options: KeyServicesOptions;
  #awsCredentials: Promise<AwsCredentials> | undefined;
  #loadedCredentials: AwsCredentials | undefined;

  constructor(options: KeyServicesOptions) {
    this.#options = options;
  }

  /** When the earliest of the credentials in use ends, by provider, in milliseconds since 1970. */
  credentialExpiries(): { provider: string; expiresAtMs: number }[] {
    const times = (this.#loadedCredentials?.expiries() ?? []).map((expiry) => expiry.expiresAtMs);
    return times.length === 0 ? [] : [{ provider: 'aws_kms', expiresAtMs: Math.min(...times) }];
  }

  /** Opens one key. */
  async open(config: KeyConfig, use: KeyUse): Promise<KeyService> {
    const { clock } = this.#options;
    const service = observed(await this.#bare(config, use), clock, use.report);
    return withRetries(service, { clock, random: Math.random, timeoutMs: use.timeoutMs });
  }

  async #bare(config: KeyConfig, use: KeyUse): Promise<KeyService> {
    switch (config.provider) {
      case 'local': {
        const { openLocalKey } = await import('../kms/local/open.ts');
        return openLocalKey(config);
      }
      case 'aws_kms': {
        const { openAwsKey } = await import('../kms/aws/open.ts');
        const { clock } = this.#options;
        const credentials = await this.#aws();
        return openAwsKey(config, { clock, tenantId: use.tenantId, timeoutMs: use.timeoutMs, credentials });
      }
    }
  }

  #aws(): Promise<AwsCredentials> {
    this.#awsCredentials ??= this.#openAws();
    return this.#awsCredentials;
  }

  async #openAws(): Promise<AwsCredentials> {
    const { openAwsCredentials } = await import('../kms/aws/open.ts');
    const { clock, stsEndpoint } = this.#options;
    this.#loadedCredentials = openAwsCredentials({
      clock,
      random: Math.random,
      nodeName: hostname(),
      timeoutMs: stsTimeoutMs,
      ...(stsEndpoint !== undefined && { stsEndpoint }),
    });
    return this.#loadedCredentials;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#awsCredentials?.catch(() => undefined))?.[Symbol.dispose]();
  }
}
