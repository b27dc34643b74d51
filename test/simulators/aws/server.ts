/**
 * AWS KMS and STS on one loopback port, over their own wire protocols and never kinder than the real ones.
 *
 * The region of a request is the region of its signature's scope, since all regions share the one endpoint. Throws for
 * set-ups that the simulator would not evaluate as AWS does. Nothing is logged, and no secret leaves but in an answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../src/base/clock.ts';
import { deliver } from '../http/delivery.ts';
import { Faults } from '../http/fault.ts';
import { type Call, type CallFilter, countCalls } from './calls.ts';
import { type CustomKeyStore, makeKeyStore, type StoreType } from './custom-key-store.ts';
import { type AwsFaultTarget, dispatch, type SimulatedCloud } from './dispatch.ts';
import { CredentialStore } from './identities.ts';
import { KeyPairSource } from './key-pairs.ts';
import { KeyStore } from './keys.ts';
import { listenOnLoopback, type TlsMaterial } from './loopback.ts';
import { OidcIssuer } from './oidc.ts';
import {
  addRole,
  addUser,
  type RoleOptions,
  type SimulatedRole,
  type SimulatedUser,
  trustFor,
  type UserOptions,
} from './principals.ts';
import { RateLimit } from './rate-limit.ts';
import { type KeyOptions, type SimulatedKey, simulateKey } from './simulated-key.ts';

export interface SimulatorOptions {
  /** The services' own time: what signatures, sessions and waiting periods are judged by. */
  readonly clock?: Pick<Clock, 'now'>;
  /** The platform's account, which is also the default for keys and roles. */
  readonly accountId?: string;
  /** Where given, it speaks TLS. */
  readonly tls?: TlsMaterial;
}

export interface AwsSimulator extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, for KMS and STS alike. */
  readonly endpoint: string;
  /** keyproxy's own identity, a user with every permission; its secret is new in every run. */
  readonly platform: SimulatedUser;
  readonly faults: Faults<AwsFaultTarget>;
  /** Every call so far, in the order of their answers. */
  readonly calls: readonly Call[];
  /** Number of calls of an operation that fit the filter. */
  count(operation: string, filter?: CallFilter): number;
  createKey(options?: KeyOptions): SimulatedKey;
  /** Makes a custom key store, connected. */
  createKeyStore(type: StoreType): CustomKeyStore;
  createRole(options: RoleOptions): SimulatedRole;
  /** Another user with a key of its own; with every permission unless some are given. */
  createUser(options: UserOptions): SimulatedUser;
  /** An issuer of identity tokens that every account has made a provider of, for the audience `sts.amazonaws.com`. */
  createIssuer(): OidcIssuer;
  /** A trust policy for one principal (ARN or account id), that demands the external id where one is given. */
  trustFor(options: { principal: string; externalId?: string }): object;
  /** Requests per second for each calling account and region; undefined lifts the limit. */
  setRateLimit(perSecond: number | undefined): void;
  /** Ends all sessions at once, as time would. */
  expireSessions(): void;
  /** Lets sessions that begin from now on last so long at most, though more was asked for: 900 s are the least at AWS. */
  setLongestSession(seconds: number): void;
}

const platformAccount = '123456789012';

/** Starts the simulator on a free loopback port. Dispose of it to cut its connections and free the port. */
export async function startAwsSimulator(options: SimulatorOptions = {}): Promise<AwsSimulator> {
  const accountId = options.accountId ?? platformAccount;
  const now = (): number => (options.clock ?? Date).now();
  const cloud = emptyCloud(now);
  const closing = new AbortController();
  const bugs: unknown[] = [];
  const server = await listenOnLoopback((request, response) => {
    serve(request, response, { cloud, signal: closing.signal }).catch((bug: unknown) => {
      if (!closing.signal.aborted) bugs.push(bug);
      response.destroy();
    });
  }, options.tls);
  return {
    endpoint: server.url,
    ...administration(cloud, accountId),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await server[Symbol.asyncDispose]();
      // A failure of the simulator itself looks like an outage to the client, so it must not pass as one: it ends here.
      if (bugs.length > 0) throw new AggregateError(bugs, 'the AWS simulator failed while it answered');
    },
  };
}

/** All that a test may do to the cloud. */
function administration(
  cloud: SimulatedCloud,
  accountId: string,
): Omit<AwsSimulator, 'endpoint' | typeof Symbol.asyncDispose> {
  const pairs = new KeyPairSource();
  const createUser: AwsSimulator['createUser'] = (user) => addUser(cloud, { accountId, ...user });
  const { now, keys } = cloud;
  return {
    platform: createUser({ name: 'keyproxy' }),
    faults: cloud.faults,
    calls: cloud.calls,
    count: (operation, filter) => countCalls(cloud.calls, operation, filter),
    createKey: (key = {}) => simulateKey({ accountId, ...key }, { keys, pairs, now }),
    createKeyStore: makeKeyStore,
    createRole: (role) => addRole(cloud, { accountId, ...role }),
    createUser,
    createIssuer: () => {
      const issuer = new OidcIssuer();
      cloud.issuers.push(issuer);
      return issuer;
    },
    trustFor,
    setRateLimit: (perSecond) => cloud.rateLimit.set(perSecond),
    expireSessions: () => cloud.credentials.expireSessions(now()),
    setLongestSession: (seconds) => {
      cloud.credentials.longestSessionSeconds = seconds;
    },
  };
}

function emptyCloud(now: () => number): SimulatedCloud {
  return {
    now,
    credentials: new CredentialStore(),
    roles: new Map(),
    keys: new KeyStore(now),
    issuers: [],
    faults: new Faults(),
    rateLimit: new RateLimit(now),
    calls: [],
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { cloud, signal }: { cloud: SimulatedCloud; signal: AbortSignal },
): Promise<void> {
  const body = await readBody(request);
  if (body === undefined) return;
  const signed = {
    method: request.method ?? '',
    target: request.url ?? '',
    headers: request.headersDistinct,
    body,
  };
  await deliver(await dispatch(signed, cloud, signal), response, signal);
}

/** The whole body, or undefined when the client went away before its end. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}
