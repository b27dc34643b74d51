/**
 * Who keyproxy is for Google Cloud, and the service accounts that it acts as. One source of tokens for each
 * (credential, file, scope) and (that, service account), shared by all keys that need it.
 */
import type { Clock } from '../../base/clock.ts';
import type { Authorities } from '../authorities.ts';
import { KmsError } from '../fault.ts';
import type { GcpCredential } from '../key-config.ts';
import { RenewingCredentials } from '../renewing.ts';
import { type Lease, Shared } from '../shared.ts';
import { GcpConnections } from './connection.ts';
import { readCredentialFile, unusableFile } from './credential-file.ts';
import { defaultToken } from './default-credentials.ts';
import { federatedToken } from './federation.ts';
import { impersonatedToken, shortestTokenSeconds } from './impersonation.ts';
import { serviceAccountToken } from './service-account.ts';
import { type GcpToken, tokenScopes } from './token.ts';

/** What the tokens of a process need. */
export interface GcpCredentialOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one request for a token may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly authorities: Authorities;
}

/** What a key needs a token for. */
export interface GcpCredentialScope {
  readonly credential: GcpCredential;
  /** Service account to act as; absent: keyproxy's own identity. */
  readonly impersonate?: string;
}

/** Tokens in use, until it is disposed of. */
export type GcpCredentialLease = Lease<RenewingCredentials<GcpToken>>;

/** When a token expires: a gauge. */
export interface GcpCredentialExpiry {
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** For a wait that needs no end of its own: every renewal has a time limit. */
const untilItsEnd = new AbortController().signal;

/** All tokens of a process, and its clients. Disposing of it ends every renewal and closes every client. */
export class GcpCredentials implements Disposable {
  readonly connections = new GcpConnections();
  readonly #options: GcpCredentialOptions;
  readonly #tokens = new Shared<RenewingCredentials<GcpToken>>();

  constructor(options: GcpCredentialOptions) {
    this.#options = options;
  }

  /** The tokens of a scope; renewal goes on while anybody holds a lease. Nothing is asked for yet. */
  lease({ credential, impersonate }: GcpCredentialScope): GcpCredentialLease {
    if (impersonate === undefined) return this.#own(credential, tokenScopes.kms);
    return this.#tokens.lease(JSON.stringify([credential, impersonate]), () => {
      const own = this.#own(credential, tokenScopes.iam);
      const value = this.#renewing(() => this.#impersonated(own.value, impersonate));
      return {
        value,
        close: () => {
          value[Symbol.dispose]();
          own[Symbol.dispose]();
        },
      };
    });
  }

  /** For each token in hand, when it expires. */
  expiries(): GcpCredentialExpiry[] {
    return this.#tokens.values().flatMap(({ expiresAtMs }) => (expiresAtMs === undefined ? [] : [{ expiresAtMs }]));
  }

  [Symbol.dispose](): void {
    this.#tokens[Symbol.dispose]();
    this.connections[Symbol.dispose]();
  }

  #own(credential: GcpCredential, scope: string): GcpCredentialLease {
    return this.#tokens.lease(JSON.stringify([credential, { scope }]), () => {
      const value = this.#renewing(() => ownToken(credential, { ...this.#options, scope }));
      return { value, close: () => value[Symbol.dispose]() };
    });
  }

  #renewing(fetch: () => Promise<GcpToken>): RenewingCredentials<GcpToken> {
    const { clock, random, timeoutMs } = this.#options;
    return new RenewingCredentials({ provider: 'gcp_kms', clock, random, timeoutMs, fetch });
  }

  /** Acts as a service account; where Google finds our own token stale, once more with a renewed one. */
  async #impersonated(own: RenewingCredentials<GcpToken>, email: string): Promise<GcpToken> {
    const origin = this.#options.authorities.gcpIam ?? 'https://iamcredentials.googleapis.com';
    const wanted = { origin, email, scope: tokenScopes.kms, lifetimeSeconds: shortestTokenSeconds };
    const used = await own.current(untilItsEnd);
    try {
      return await impersonatedToken(used, wanted, this.#options);
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
      return impersonatedToken(await own.renew(used, untilItsEnd), wanted, this.#options);
    }
  }
}

async function ownToken(
  credential: GcpCredential,
  options: GcpCredentialOptions & { readonly scope: string },
): Promise<GcpToken> {
  switch (credential.kind) {
    case 'application_default':
      return defaultToken(options).catch((error) => Promise.reject(ownFailure(error)));
    case 'workload_identity_federation': {
      const setting = 'federation_file';
      return federatedToken(await readCredentialFile(credential.file, setting), { ...options, setting });
    }
    case 'service_account_file': {
      const setting = 'service_account_file';
      const json = await readCredentialFile(credential.file, setting);
      if (json['type'] !== 'service_account')
        throw unusableFile(`the file of ${setting} is not of type service_account`);
      return serviceAccountToken(json, { ...options, setting });
    }
  }
}

/** Who keyproxy is by its surroundings is the operator's: what fails there is no customer's refusal. */
function ownFailure(error: unknown): unknown {
  if (!(error instanceof KmsError) || !['refusal', 'ambiguous'].includes(error.fault.kind)) return error;
  return new KmsError({ kind: 'credentials' }, error.details);
}
