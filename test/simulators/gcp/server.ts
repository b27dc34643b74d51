/**
 * Google Cloud KMS over gRPC and the services that give tokens for it, on loopback, and never kinder than the real ones.
 *
 * Every service has a port of its own. Throws for set-ups that the simulator would not evaluate as Google does. Nothing is
 * logged, and no secret leaves but in an answer.
 */
import type { Clock } from '../../../src/base/clock.ts';
import { KeyPairSource } from '../aws/key-pairs.ts';
import { RateLimit } from '../aws/rate-limit.ts';
import { Faults } from '../http/fault.ts';
import { type Call, type CallFilter, countCalls } from './calls.ts';
import type { SimulatedCloud } from './cloud.ts';
import { dispatch } from './dispatch.ts';
import type { GcpFaults } from './faults.ts';
import { startGrpcServer } from './grpc-server.ts';
import { Policies } from './iam.ts';
import { type FederationOptions, Identities, type SimulatedAccount, type SimulatedFederation } from './identities.ts';
import { KeyStore } from './keys.ts';
import { type KeyOptions, type SimulatedKey, simulateKey } from './simulated-key.ts';
import { startTokenServer } from './token-server.ts';
import { TokenStore } from './tokens.ts';

/** How a simulator is set up; every part has a default. */
export interface SimulatorOptions {
  /** The services' own time: what tokens, signatures and waiting periods are judged by. */
  readonly clock?: Pick<Clock, 'now'>;
  /** The project that keys and accounts belong to unless told otherwise. */
  readonly project?: string;
}

/** A running simulator: where its services are, and what a customer could do to them. */
export interface GcpSimulator extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, where Cloud KMS speaks gRPC without TLS. */
  readonly endpoint: string;
  /** Origins of the token services, in the names of the daemon's configuration. */
  readonly authorities: { readonly gcpOauth2: string; readonly gcpSts: string; readonly gcpIam: string };
  /** `127.0.0.1:PORT`, for the environment variable GCE_METADATA_HOST. */
  readonly metadataHost: string;
  readonly project: string;
  readonly faults: GcpFaults;
  /** Every call so far, in the order of their answers. */
  readonly calls: readonly Call[];
  /** Number of calls of an operation that fit the filter. */
  count(operation: string, filter?: CallFilter): number;
  /** A key with one enabled version, which is the primary where the key is symmetric. Nobody may use it yet. */
  createKey(options?: KeyOptions): SimulatedKey;
  /** A service account that may do nothing yet. */
  createServiceAccount(options?: { name?: string; project?: string }): SimulatedAccount;
  /** A workload identity pool with one provider. */
  federation(options?: FederationOptions): SimulatedFederation;
  /**
   * Grants roles or permissions to an address, a `principal://…` or a `principalSet://…/*`, on a key, a key ring or a
   * project (`projects/P`), by name. What is granted on a key goes with the key.
   */
  grant(member: string, resource: string, ...rolesOrPermissions: string[]): void;
  /** Takes grants back; all of the member's on the resource where none is named. */
  revoke(member: string, resource: string, ...rolesOrPermissions: string[]): void;
  /** Lets `from` (member, as in `grant`) take tokens of the service account `to`. */
  allowImpersonation(from: string, to: string): void;
  denyImpersonation(from: string, to: string): void;
  /** The account of the machine that the metadata server speaks for; undefined for none. */
  attach(account: { readonly email: string } | undefined): void;
  /** Switches the Cloud KMS API on or off in a project. */
  setServiceEnabled(enabled: boolean, project?: string): void;
  /** Ends all tokens at once, as time would. */
  expireTokens(): void;
  /** Requests per second for each calling project and location; undefined lifts the limit. */
  setRateLimit(perSecond: number | undefined): void;
}

/** Starts the simulator on free loopback ports. Dispose of it to cut its connections and free them. */
export async function startGcpSimulator(options: SimulatorOptions = {}): Promise<GcpSimulator> {
  const { project = 'keyproxy-test' } = options;
  const cloud = emptyCloud(() => (options.clock ?? Date).now());
  const { servers, close } = await startServers(cloud);
  const origins = { oauth2: servers.oauth2.origin, sts: servers.sts.origin, iam: servers.iam.origin };
  return {
    endpoint: `http://127.0.0.1:${servers.kms.port}`,
    authorities: { gcpOauth2: origins.oauth2, gcpSts: origins.sts, gcpIam: origins.iam },
    metadataHost: new URL(servers.metadata.origin).host,
    project,
    faults: cloud.faults,
    calls: cloud.calls,
    count: (operation, filter) => countCalls(cloud.calls, operation, filter),
    ...makers(cloud, { project, identities: new Identities(cloud, origins) }),
    ...controls(cloud, project),
    [Symbol.asyncDispose]: close,
  };
}

function emptyCloud(now: () => number): SimulatedCloud {
  return {
    now,
    keys: new KeyStore(now),
    policies: new Policies(),
    tokens: new TokenStore(now),
    accounts: new Map(),
    providers: new Map(),
    attached: undefined,
    withoutKms: new Set(),
    faults: new Faults(),
    rateLimit: new RateLimit(now),
    calls: [],
  };
}

function makers(
  cloud: SimulatedCloud,
  { project, identities }: { project: string; identities: Identities },
): Pick<GcpSimulator, 'createKey' | 'createServiceAccount' | 'federation'> {
  const pairs = new KeyPairSource();
  let made = 0;
  return {
    createKey: (key = {}) => {
      made += 1;
      const created = simulateKey({ project, id: `key-${made}`, ...key }, { keys: cloud.keys, pairs, now: cloud.now });
      return {
        ...created,
        remove: () => {
          created.remove();
          cloud.policies.forget(created.name);
        },
      };
    },
    createServiceAccount: (account = {}) => {
      made += 1;
      return identities.createAccount({ name: `account-${made}`, project, ...account });
    },
    federation: (federation = {}) => identities.createFederation({ project, ...federation }),
  };
}

type Controls =
  | 'grant'
  | 'revoke'
  | 'allowImpersonation'
  | 'denyImpersonation'
  | 'attach'
  | 'setServiceEnabled'
  | 'expireTokens'
  | 'setRateLimit';

function controls(cloud: SimulatedCloud, ownProject: string): Pick<GcpSimulator, Controls> {
  const account = (email: string) => {
    const found = cloud.accounts.get(email);
    if (found === undefined) throw new Error(`there is no service account ${email}`);
    return found;
  };
  return {
    grant: (member, resource, ...given) => cloud.policies.grant(member, resource, given),
    revoke: (member, resource, ...taken) => cloud.policies.revoke(member, resource, taken),
    allowImpersonation: (from, to) => account(to).impersonators.add(from),
    denyImpersonation: (from, to) => account(to).impersonators.delete(from),
    attach: (given) => {
      cloud.attached = given === undefined ? undefined : account(given.email);
    },
    setServiceEnabled: (enabled, project = ownProject) => {
      if (enabled) cloud.withoutKms.delete(project);
      else cloud.withoutKms.add(project);
    },
    expireTokens: () => cloud.tokens.expireAll(),
    setRateLimit: (perSecond) => cloud.rateLimit.set(perSecond),
  };
}

/** A failure of the simulator itself looks like an outage to the client, so it must not pass as one: it ends in `close`. */
async function startServers(cloud: SimulatedCloud) {
  const closing = new AbortController();
  const { signal } = closing;
  const bugs: unknown[] = [];
  const failed = (bug: unknown): void => {
    if (!signal.aborted) bugs.push(bug);
  };
  const [kms, oauth2, sts, iam, metadata] = await Promise.all([
    startGrpcServer({ handle: (call) => dispatch(call, cloud, signal), failed, signal }),
    startTokenServer('oauth2', { cloud, failed, signal }),
    startTokenServer('sts', { cloud, failed, signal }),
    startTokenServer('iam', { cloud, failed, signal }),
    startTokenServer('metadata', { cloud, failed, signal }),
  ]);
  const servers = { kms, oauth2, sts, iam, metadata };
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all(Object.values(servers).map((server) => server.close()));
    if (bugs.length > 0) throw new AggregateError(bugs, 'the Google Cloud simulator failed while it answered');
  };
  return { servers, close };
}
