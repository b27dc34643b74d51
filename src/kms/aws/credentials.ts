/**
 * Who keyproxy is for AWS: its own identity (environment, IRSA, Pod Identity, instance, shared files), and the
 * customers' roles that it assumes with it. One source of credentials for each (tenant, role, external id, region),
 * shared by all keys that need it.
 */
import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { Clock } from '../../base/clock.ts';
import { KmsError } from '../fault.ts';
import { RenewingCredentials } from '../renewing.ts';
import { AwsConnections, forEachRequest } from './connection.ts';
import { kmsErrorFrom } from './failure.ts';
import { assumeRoleFaults } from './faults.ts';
import type { AwsIdentity } from './identity.ts';
import { sessionName } from './session-name.ts';

export interface AwsCredentialOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Becomes part of the session name that a customer reads in CloudTrail. */
  readonly nodeName: string;
  /** How long one call to STS may take, in milliseconds. */
  readonly timeoutMs: number;
  /** A simulator or VPC endpoint; absent: `AWS_ENDPOINT_URL_STS`, else the endpoint of the key's region. */
  readonly stsEndpoint?: string;
  /** Gets keyproxy's own credentials; absent: the SDK's chain of providers for Node. */
  readonly own?: () => Promise<AwsIdentity>;
}

/** What a key needs credentials for. */
export interface AwsCredentialScope {
  readonly tenantId: string;
  /** Of the key; STS is asked in the same one. */
  readonly region: string;
  /** Absent: keyproxy's own identity. */
  readonly role?: { readonly arn: string; readonly externalId: string };
}

/** Credentials in use, until it is disposed of. */
export interface AwsCredentialLease extends Disposable {
  readonly credentials: RenewingCredentials<AwsIdentity>;
}

/** When the credentials of one scope expire: a gauge. */
export interface AwsCredentialExpiry {
  readonly tenantId: string;
  readonly roleArn: string;
  readonly region: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/**
 * The session's length in seconds: the shortest that AWS gives, since a changed trust policy only bites when the
 * session is renewed (AWS STS API Reference, AssumeRole, `DurationSeconds`).
 */
const sessionSeconds = 900;

/** For a wait that needs no end of its own: every renewal has a time limit. */
const untilItsEnd = new AbortController().signal;

interface SharedSource {
  readonly scope: AwsCredentialScope & { readonly role: { readonly arn: string; readonly externalId: string } };
  readonly credentials: RenewingCredentials<AwsIdentity>;
  users: number;
}

/** All credentials of a process. Disposing of it ends every renewal. */
export class AwsCredentials implements Disposable {
  readonly #options: AwsCredentialOptions;
  readonly #connections = new AwsConnections();
  readonly #own: RenewingCredentials<AwsIdentity>;
  readonly #sources = new Map<string, SharedSource>();

  constructor(options: AwsCredentialOptions) {
    this.#options = options;
    const chain = options.own ?? ownChain(this.#connections.settings(options.timeoutMs));
    this.#own = this.#renewing(() => chain().catch((error) => Promise.reject(this.#ownFailure(error))));
  }

  /** The credentials of a scope; renewal goes on while anybody holds a lease. Nothing is asked for yet. */
  lease(scope: AwsCredentialScope): AwsCredentialLease {
    const { role } = scope;
    if (role === undefined) return { credentials: this.#own, [Symbol.dispose]() {} };
    const name = JSON.stringify([scope.tenantId, role.arn, role.externalId, scope.region]);
    let source = this.#sources.get(name);
    if (source === undefined) {
      const ofRole = { ...scope, role };
      source = { scope: ofRole, credentials: this.#renewing(this.#assuming(ofRole)), users: 0 };
      this.#sources.set(name, source);
    }
    source.users++;
    return this.#leaseOf(name, source);
  }

  /** For each role in use whose credentials are in hand, when they expire. */
  expiries(): AwsCredentialExpiry[] {
    return [...this.#sources.values()].flatMap(({ scope, credentials: { expiresAtMs } }) =>
      expiresAtMs === undefined
        ? []
        : [{ tenantId: scope.tenantId, roleArn: scope.role.arn, region: scope.region, expiresAtMs }],
    );
  }

  [Symbol.dispose](): void {
    for (const { credentials } of this.#sources.values()) credentials[Symbol.dispose]();
    this.#sources.clear();
    this.#own[Symbol.dispose]();
    this.#connections[Symbol.dispose]();
  }

  #leaseOf(name: string, source: SharedSource): AwsCredentialLease {
    let released = false;
    return {
      credentials: source.credentials,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        source.users--;
        if (source.users > 0) return;
        source.credentials[Symbol.dispose]();
        this.#sources.delete(name);
      },
    };
  }

  #renewing(fetch: () => Promise<AwsIdentity>): RenewingCredentials<AwsIdentity> {
    const { clock, random, timeoutMs } = this.#options;
    return new RenewingCredentials({ provider: 'aws_kms', clock, random, timeoutMs, fetch });
  }

  /** Assumes the role of a scope; where STS finds our own credentials stale, once more with renewed ones. */
  #assuming(scope: SharedSource['scope']): () => Promise<AwsIdentity> {
    const assume = this.#assumeRole(scope);
    return async () => {
      const own = await this.#own.current(untilItsEnd);
      try {
        return await assume();
      } catch (error) {
        if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
        await this.#own.renew(own, untilItsEnd);
        return await assume();
      }
    };
  }

  #assumeRole({ tenantId, region, role }: SharedSource['scope']): () => Promise<AwsIdentity> {
    const { nodeName, timeoutMs, stsEndpoint, clock } = this.#options;
    const assume = fromTemporaryCredentials({
      masterCredentials: forEachRequest(() => this.#own.held()),
      params: {
        RoleArn: role.arn,
        ExternalId: role.externalId,
        RoleSessionName: sessionName(tenantId, nodeName),
        DurationSeconds: sessionSeconds,
      },
      clientConfig: {
        ...this.#connections.settings(timeoutMs),
        region,
        ...(stsEndpoint !== undefined && { endpoint: stsEndpoint }),
      },
    });
    return () =>
      assume().catch((error) => {
        throw kmsErrorFrom(error, { operation: 'AssumeRole', table: assumeRoleFaults, now: clock.now() });
      });
  }

  /** An outage on the way to our own identity is one; every other failure there is ours and no customer's refusal. */
  #ownFailure(thrown: unknown): KmsError {
    const call = { operation: 'GetCredentials', table: assumeRoleFaults, now: this.#options.clock.now() };
    const error = kmsErrorFrom(thrown, call);
    const noneFound = error.details.providerCode === 'CredentialsProviderError';
    if (error.fault.kind === 'outage' && !noneFound) return error;
    return new KmsError({ kind: 'credentials' }, error.details);
  }
}

/**
 * The SDK's chain, asked each time: when to ask is decided here, not by its memory. Without time limits of ours a call
 * that gets no answer would be waited for without end, and by every later one.
 */
function ownChain(clientConfig: ReturnType<AwsConnections['settings']>): () => Promise<AwsIdentity> {
  const chain = fromNodeProviderChain({ clientConfig });
  return () => chain({ forceRefresh: true });
}
