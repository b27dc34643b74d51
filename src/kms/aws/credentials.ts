/**
 * Who keyproxy is for AWS: its own identity (environment, IRSA, Pod Identity, instance, shared files), and the
 * customers' roles that it assumes with it. One source of credentials for each (tenant, role, external id, region,
 * session policy), shared by all that open the same key in the same way.
 */
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { Clock } from '../../base/clock.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { startDeadline } from '../deadline.ts';
import { gaveUp, KmsError } from '../fault.ts';
import { RenewingCredentials } from '../renewing.ts';
import { Shared } from '../shared.ts';
import { adviceFor } from './advice.ts';
import { assuming } from './assume-role.ts';
import { AwsConnections } from './connection.ts';
import { kmsErrorFrom } from './failure.ts';
import { assumeRoleFaults } from './faults.ts';
import type { AwsIdentity } from './identity.ts';
import { sessionName } from './session-name.ts';
import { worthlessPolicy } from './session-policy.ts';

/** What the credentials of a process need. */
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
  readonly role?: {
    readonly arn: string;
    readonly externalId: string;
    /** Narrows the session (session-policy.ts). */
    readonly policy: string;
  };
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

/** For a wait that needs no end of its own: every renewal has a time limit. */
const untilItsEnd = new AbortController().signal;

interface Source {
  readonly scope: AwsCredentialScope & { readonly role: NonNullable<AwsCredentialScope['role']> };
  readonly credentials: RenewingCredentials<AwsIdentity>;
}

/** All credentials of a process. Disposing of it ends every renewal. */
export class AwsCredentials implements Disposable {
  readonly #options: AwsCredentialOptions;
  readonly #connections = new AwsConnections();
  readonly #own: RenewingCredentials<AwsIdentity>;
  readonly #sources = new Shared<Source>();

  constructor(options: AwsCredentialOptions) {
    this.#options = options;
    const chain = options.own ?? ownChain(this.#connections.settings(options.timeoutMs), options.stsEndpoint);
    this.#own = this.#renewing(() => chain().catch((error) => Promise.reject(this.#ownFailure(error))));
  }

  /** The credentials of a scope; renewal goes on while anybody holds a lease. Nothing is asked for yet. */
  lease(scope: AwsCredentialScope): AwsCredentialLease {
    const { role } = scope;
    if (role === undefined) return { credentials: this.#own, [Symbol.dispose]() {} };
    const name = JSON.stringify([scope.tenantId, role.arn, role.externalId, scope.region, role.policy]);
    const lease = this.#sources.lease(name, () => {
      const { externalId, policy } = role;
      const assume = this.#sessionOf({ ...scope, arn: role.arn }, { externalId, policy });
      const credentials = this.#renewing(() => this.#withOwn(assume));
      return { value: { scope: { ...scope, role }, credentials }, close: () => credentials[Symbol.dispose]() };
    });
    return { credentials: lease.value.credentials, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  }

  /**
   * Whether STS would give a session under a role with another external id, or with none. A session that
   * it gives is thrown away, and was asked for with a policy that lets it do nothing. Throws a `KmsError` where STS
   * says neither yes nor no.
   */
  async wouldAssume(
    role: { readonly tenantId: string; readonly region: string; readonly arn: string },
    given: { externalId?: string; signal: AbortSignal },
  ): Promise<boolean> {
    const { signal, ...id } = given;
    const assume = this.#sessionOf(role, { ...id, policy: worthlessPolicy });
    try {
      using deadline = startDeadline(this.#options.clock, this.#options.timeoutMs, signal);
      await untilAborted(this.#withOwn(assume), deadline.signal);
      return true;
    } catch (error) {
      if (error instanceof KmsError && error.fault.kind === 'refusal') return false;
      throw error instanceof KmsError ? error : gaveUp({ provider: 'aws_kms', operation: 'AssumeRole' }, error);
    }
  }

  /** For each role in use whose credentials are in hand, when they expire. */
  expiries(): AwsCredentialExpiry[] {
    return this.#sources
      .values()
      .flatMap(({ scope, credentials: { expiresAtMs } }) =>
        expiresAtMs === undefined
          ? []
          : [{ tenantId: scope.tenantId, roleArn: scope.role.arn, region: scope.region, expiresAtMs }],
      );
  }

  [Symbol.dispose](): void {
    this.#sources[Symbol.dispose]();
    this.#own[Symbol.dispose]();
    this.#connections[Symbol.dispose]();
  }

  #renewing(fetch: () => Promise<AwsIdentity>): RenewingCredentials<AwsIdentity> {
    const { clock, random, timeoutMs } = this.#options;
    return new RenewingCredentials({ provider: 'aws_kms', clock, random, timeoutMs, fetch });
  }

  /** Runs `assume` with our own identity; where STS finds that one stale, once more with a renewed one. */
  async #withOwn(assume: () => Promise<AwsIdentity>): Promise<AwsIdentity> {
    const own = await this.#own.current(untilItsEnd);
    try {
      return await assume();
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
      await this.#own.renewUnlessFresh(own, untilItsEnd);
      return await assume();
    }
  }

  #sessionOf(
    { tenantId, region, arn }: { readonly tenantId: string; readonly region: string; readonly arn: string },
    given: { readonly externalId?: string; readonly policy: string },
  ): () => Promise<AwsIdentity> {
    const { nodeName, timeoutMs, stsEndpoint, clock } = this.#options;
    return assuming(
      { roleArn: arn, sessionName: sessionName(tenantId, nodeName), region, ...given },
      {
        own: () => this.#own.held(),
        connections: this.#connections,
        clock,
        timeoutMs,
        ...(stsEndpoint !== undefined && { endpoint: stsEndpoint }),
      },
    );
  }

  /** An outage on the way to our own identity is one; every other failure there is ours and no customer's refusal. */
  #ownFailure(thrown: unknown): KmsError {
    const call = { operation: 'GetCredentials', table: assumeRoleFaults, now: this.#options.clock.now() };
    const error = kmsErrorFrom(thrown, call);
    const noneFound = error.details.providerCode === 'CredentialsProviderError';
    if (error.fault.kind === 'outage' && !noneFound) return error;
    const fault = { kind: 'credentials' } as const;
    const { operation, providerCode = '' } = error.details;
    const advice = adviceFor({ operation, code: providerCode, fault });
    return new KmsError(fault, { ...error.details, ...(advice !== undefined && { advice }) });
  }
}

/**
 * The SDK's chain, asked each time: when to ask is decided here, not by its memory, and files are read again.
 * Without time limits of ours a call that gets no answer would be waited for without end, and by every later one.
 */
function ownChain(settings: ReturnType<AwsConnections['settings']>, stsEndpoint?: string): () => Promise<AwsIdentity> {
  // A web identity is exchanged at the same STS as the customers' roles are assumed at.
  const clientConfig = { ...settings, ...(stsEndpoint !== undefined && { endpoint: stsEndpoint }) };
  // The source of a container's credentials would be asked four times with pauses of 1 s, past every deadline of ours.
  const chain = fromNodeProviderChain({ clientConfig, ignoreCache: true, maxRetries: 0 });
  return () => chain({ forceRefresh: true });
}
