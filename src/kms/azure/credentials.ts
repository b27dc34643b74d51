/**
 * Who keyproxy is for Azure. One source of tokens for each (credential, tenant, application, service), shared by all
 * keys that need it, so that a hundred keys in one vault log in once.
 */
import type { Clock } from '../../base/clock.ts';
import { startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import { RenewingCredentials } from '../renewing.ts';
import { Shared } from '../shared.ts';
import { type AzureIdentity, type AzureToken, logIn } from './login.ts';
import { AzureWire } from './wire.ts';

/** What the tokens of a process need. */
export interface AzureCredentialOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one login may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Origin of Microsoft Entra ID; absent: `AZURE_AUTHORITY_HOST`, else that of the vault's cloud. */
  readonly authorityHost?: string;
  /** Authorities in PEM that are trusted in place of the machine's own: for simulators. */
  readonly ca?: string;
}

/** Tokens in use, until it is disposed of. */
export interface AzureCredentialLease extends Disposable {
  readonly credentials: RenewingCredentials<AzureToken>;
}

/** When the tokens of one source expire: a gauge. */
export interface AzureCredentialExpiry {
  /** The directory; absent for a managed identity. */
  readonly tenant?: string;
  readonly clientId?: string;
  readonly scope: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

interface Source {
  readonly identity: AzureIdentity;
  readonly credentials: RenewingCredentials<AzureToken>;
}

/** All tokens of a process. Disposing of it ends every renewal. */
export class AzureCredentials implements Disposable {
  readonly #options: AzureCredentialOptions;
  readonly #wire: AzureWire;
  readonly #sources = new Shared<Source>();

  constructor(options: AzureCredentialOptions) {
    this.#options = options;
    this.#wire = new AzureWire(options.ca);
  }

  /**
   * The tokens of an identity, whose `authorityHost` is that of the vault's cloud; renewal goes on while anybody holds a
   * lease. Nothing is asked for yet.
   */
  lease(scope: AzureIdentity): AzureCredentialLease {
    const authorityHost = this.#options.authorityHost ?? process.env['AZURE_AUTHORITY_HOST'] ?? scope.authorityHost;
    const identity = { ...scope, authorityHost };
    const { credential, tenant, clientId } = identity;
    const name = JSON.stringify([Object.entries(credential).sort(), tenant, clientId, identity.scope, authorityHost]);
    const lease = this.#sources.lease(name, () => {
      const credentials = this.#renewing(identity);
      return { value: { identity, credentials }, close: () => credentials[Symbol.dispose]() };
    });
    return { credentials: lease.value.credentials, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  }

  /** For each source whose tokens are in hand, when they expire. */
  expiries(): AzureCredentialExpiry[] {
    return this.#sources.values().flatMap(({ identity, credentials: { expiresAtMs } }) => {
      if (expiresAtMs === undefined) return [];
      const { tenant, clientId, scope } = identity;
      return [
        { ...(tenant !== undefined && { tenant }), ...(clientId !== undefined && { clientId }), scope, expiresAtMs },
      ];
    });
  }

  [Symbol.dispose](): void {
    this.#sources[Symbol.dispose]();
    this.#wire[Symbol.dispose]();
  }

  #renewing(identity: AzureIdentity): RenewingCredentials<AzureToken> {
    const { clock, random, timeoutMs } = this.#options;
    const fetch = async (held: AzureToken | undefined) => {
      using deadline = startDeadline(clock, timeoutMs);
      const login = logIn(identity, { wire: this.#wire, clock, signal: deadline.signal });
      return await (held === undefined ? login : login.catch(changed));
    };
    return new RenewingCredentials({ provider: 'azure_kv', clock, random, timeoutMs, fetch });
  }
}

/**
 * The failure of a login like one that has succeeded: what it names was right then, so if the directory does not know it
 * now, somebody has removed keyproxy's application from it. That may be the customer's way to say no.
 */
function changed(error: unknown): never {
  if (!(error instanceof KmsError) || error.fault.kind !== 'config') throw error;
  throw new KmsError({ kind: 'ambiguous', reason: 'ROLE_DENIED' }, error.details);
}
