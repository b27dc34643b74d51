/**
 * AWS KMS and STS on one loopback port, over their own wire protocols and never kinder than the real ones.
 *
 * The region of a request is the region of its signature's scope, since all regions share the one endpoint. Throws for
 * set-ups that the simulator would not evaluate as AWS does. Nothing is logged, and no secret leaves but in an answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../../../src/base/clock.ts';
import { deliver } from '../http/delivery.ts';
import { Faults } from '../http/fault.ts';
import { type Call, type CallFilter, countCalls } from './calls.ts';
import { type AwsFaultTarget, dispatch, type SimulatedCloud } from './dispatch.ts';
import { CredentialStore, type IssuedCredentials, newUniqueId, type Role } from './identities.ts';
import { KeyPairSource } from './key-pairs.ts';
import { KeyStore } from './keys.ts';
import { type PolicySource, parsePolicy } from './policy-document.ts';
import { RateLimit } from './rate-limit.ts';
import { type KeyOptions, type SimulatedKey, simulateKey } from './simulated-key.ts';

export interface SimulatorOptions {
  /** The services' own time: what signatures, sessions and waiting periods are judged by. */
  readonly clock?: Pick<Clock, 'now'>;
  /** The platform's account, which is also the default for keys and roles. */
  readonly accountId?: string;
}

/** An IAM user with a long-lived key. */
interface SimulatedUser extends IssuedCredentials {
  readonly arn: string;
  readonly accountId: string;
}

interface RoleOptions {
  readonly name: string;
  readonly accountId?: string;
  readonly trust: PolicySource;
  /** What the role may do; everything where nothing is given. */
  readonly permissions?: PolicySource;
  /** 3600 (as at AWS, unless changed) to 43200. */
  readonly maxSessionSeconds?: number;
}

export interface SimulatedRole {
  readonly arn: string;
  setTrust(trust: PolicySource): void;
  setPermissions(permissions: PolicySource): void;
  /** Deletes the role; its sessions are invalid from now on. */
  remove(): void;
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
  createRole(options: RoleOptions): SimulatedRole;
  /** Another user with a key of its own; with every permission unless some are given. */
  createUser(options: { name: string; accountId?: string; permissions?: PolicySource }): SimulatedUser;
  /** A trust policy for one principal (ARN or account id), that demands the external id where one is given. */
  trustFor(options: { principal: string; externalId?: string }): object;
  /** Requests per second for each calling account and region; undefined lifts the limit. */
  setRateLimit(perSecond: number | undefined): void;
  /** Ends all sessions at once, as time would. */
  expireSessions(): void;
}

const platformAccount = '123456789012';

/** Starts the simulator on a free loopback port. Dispose of it to cut its connections and free the port. */
export async function startAwsSimulator(options: SimulatorOptions = {}): Promise<AwsSimulator> {
  const accountId = options.accountId ?? platformAccount;
  const now = (): number => (options.clock ?? Date).now();
  const cloud = emptyCloud(now);
  const closing = new AbortController();
  const bugs: unknown[] = [];
  const server = createServer((request, response) => {
    serve(request, response, { cloud, signal: closing.signal }).catch((bug: unknown) => {
      if (!closing.signal.aborted) bugs.push(bug);
      response.destroy();
    });
  });
  const port = await listen(server);
  const pairs = new KeyPairSource();
  const createUser: AwsSimulator['createUser'] = (user) => addUser(cloud, { accountId, ...user });
  return {
    endpoint: `http://127.0.0.1:${port}`,
    platform: createUser({ name: 'keyproxy' }),
    faults: cloud.faults,
    calls: cloud.calls,
    count: (operation, filter) => countCalls(cloud.calls, operation, filter),
    createKey: (key = {}) => simulateKey({ accountId, ...key }, { keys: cloud.keys, pairs, now }),
    createRole: (role) => addRole(cloud, { accountId, ...role }),
    createUser,
    trustFor,
    setRateLimit: (perSecond) => cloud.rateLimit.set(perSecond),
    expireSessions: () => cloud.credentials.expireSessions(now()),
    [Symbol.asyncDispose]: () => close(server, { closing, bugs }),
  };
}

function emptyCloud(now: () => number): SimulatedCloud {
  return {
    now,
    credentials: new CredentialStore(),
    roles: new Map(),
    keys: new KeyStore(now),
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

function addUser(
  cloud: SimulatedCloud,
  { name, accountId, permissions }: { name: string; accountId: string; permissions?: PolicySource },
): SimulatedUser {
  const arn = `arn:aws:iam::${accountId}:user/${name}`;
  const allowed = permissions === undefined ? 'everything' : parsePolicy(permissions, 'identity');
  const uniqueId = newUniqueId('AIDA');
  const issued = cloud.credentials.issue({ kind: 'user', arn, accountId, uniqueId, permissions: allowed });
  return { ...issued, arn, accountId };
}

function addRole(cloud: SimulatedCloud, options: RoleOptions & { accountId: string }): SimulatedRole {
  const { name, accountId, maxSessionSeconds = 3600, permissions } = options;
  const arn = `arn:aws:iam::${accountId}:role/${name}`;
  if (cloud.roles.has(arn)) throw new Error(`${arn} exists already`);
  if (maxSessionSeconds < 3600 || maxSessionSeconds > 43_200) throw new RangeError('a session lasts 1 to 12 hours');
  const role: Role = {
    kind: 'role',
    arn,
    accountId,
    name,
    uniqueId: newUniqueId('AROA'),
    trust: parsePolicy(options.trust, 'trust'),
    permissions: permissions === undefined ? 'everything' : parsePolicy(permissions, 'identity'),
    maxSessionSeconds,
    removed: false,
  };
  cloud.roles.set(arn, role);
  return {
    arn,
    setTrust: (trust) => {
      role.trust = parsePolicy(trust, 'trust');
    },
    setPermissions: (given) => {
      role.permissions = parsePolicy(given, 'identity');
    },
    remove: () => {
      role.removed = true;
      if (cloud.roles.get(arn) === role) cloud.roles.delete(arn);
    },
  };
}

function trustFor({ principal, externalId }: { principal: string; externalId?: string }): object {
  const condition = externalId === undefined ? {} : { Condition: { StringEquals: { 'sts:ExternalId': externalId } } };
  const statement = { Effect: 'Allow', Principal: { AWS: principal }, Action: 'sts:AssumeRole', ...condition };
  return { Version: '2012-10-17', Statement: [statement] };
}

function listen(server: Server): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') fail(new Error('the system gave no port'));
      else done(address.port);
    });
  });
}

/** A failure of the simulator itself looks like an outage to the client, so it must not pass as one: it ends here. */
async function close(
  server: Server,
  { closing, bugs }: { closing: AbortController; bugs: readonly unknown[] },
): Promise<void> {
  closing.abort();
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
  if (bugs.length > 0) throw new AggregateError(bugs, 'the AWS simulator failed while it answered');
}
