/**
 * HashiCorp Vault or OpenBao on loopback: transit engines, AppRole, Kubernetes auth, policies and namespaces, over the
 * server's own HTTP API and never kinder than the real one.
 *
 * Where the two differ this is OpenBao 2.4, save for what `product` chooses. Convergent encryption is not followed, and
 * the method LIST cannot be read by Node's parser; `?list=true` is the same. Throws for set-ups that a server would not
 * take. Nothing is logged, and no secret leaves but in an answer.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Clock } from '../../../src/base/clock.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { deliver } from '../http/delivery.ts';
import { Faults } from '../http/fault.ts';
import { type Call, type CallFilter, countCalls } from './calls.ts';
import type { VaultCluster, VaultFaultTarget } from './cluster.ts';
import { dispatch, type Node } from './dispatch.ts';
import { KeyPairSource } from './key-pairs.ts';
import { Namespaces } from './mounts.ts';
import { type OwnersView, ownersView } from './owner.ts';
import { RateLimit } from './rate-limit.ts';
import type { NodeState, StandbyKind } from './sys.ts';
import { EntityIds, type Product, TokenStore } from './tokens.ts';

export interface VaultSimulatorOptions {
  /** The server's own time: what tokens, secret ids and projected tokens are judged by. */
  readonly clock?: Pick<Clock, 'now'>;
  /** HTTPS instead of HTTP, with a certificate of the simulator's own authority. */
  readonly tls?: boolean;
  /** How tokens are spelled and how a dead one is refused; `openbao` unless given. */
  readonly product?: Product;
}

export interface VaultSimulator extends OwnersView, AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or with `https`: the node that clients talk to. */
  readonly address: string;
  /** The node that a redirecting standby points to; the same cluster behind it. */
  readonly activeAddress: string;
  /** The authority behind `tls`, as PEM; empty without. */
  readonly ca: string;
  /** Operation names: encrypt, decrypt, rewrap, datakey, read-key, approle-login, renew-self, health and so on. */
  readonly faults: Faults<VaultFaultTarget>;
  /** Every call so far, in the order of their answers. */
  readonly calls: readonly Call[];
  /** Number of calls of an operation that fit the filter. */
  count(operation: string, filter?: CallFilter): number;
  seal(): void;
  unseal(): void;
  /** Takes back the initialisation, or gives it again. */
  setInitialized(initialized: boolean): void;
  /** Makes the node a standby that forwards or redirects what it is asked. */
  setStandby(standby: NodeState['standby'], kind?: StandbyKind): void;
  /** Ends all tokens at once, as a restore of an old snapshot would. */
  revokeTokens(): void;
  /** Requests per second over all paths; undefined lifts the quota. */
  setRateLimit(perSecond: number | undefined): void;
}

/** Starts the simulator on free loopback ports. Dispose of it to cut its connections and free the ports. */
export async function startVaultSimulator(options: VaultSimulatorOptions = {}): Promise<VaultSimulator> {
  const cluster = newCluster(options);
  const authority = options.tls === true ? await makeAuthority() : undefined;
  const certificate = await authority?.issue();
  const closing = new AbortController();
  const bugs: unknown[] = [];
  const open = async (front: boolean, activeAddress: string): Promise<{ server: Server; address: string }> => {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      serve(request, response, { cluster, node: { front, activeAddress }, signal: closing.signal }).catch((bug) => {
        if (!closing.signal.aborted) bugs.push(bug);
        response.destroy();
      });
    };
    const server =
      certificate === undefined ? createHttpServer(listener) : createHttpsServer({ ...certificate }, listener);
    const port = await listen(server);
    return { server, address: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}` };
  };
  const active = await open(false, '');
  const front = await open(true, active.address);
  return {
    ...ownersView(cluster),
    ...operatorsView(cluster),
    address: front.address,
    activeAddress: active.address,
    ca: authority?.ca ?? '',
    [Symbol.asyncDispose]: () => close([front.server, active.server], { closing, bugs }),
  };
}

function newCluster({ clock, product = 'openbao' }: VaultSimulatorOptions): VaultCluster {
  const now = (): number => (clock ?? Date).now();
  return {
    now,
    product,
    tokens: new TokenStore({ now, product }),
    entities: new EntityIds(),
    state: { initialized: true, sealed: false, standby: 'no', standbyKind: 'standby' },
    namespaces: new Namespaces(),
    making: { pairs: new KeyPairSource(), now },
    faults: new Faults(),
    rateLimit: new RateLimit(now),
    calls: [],
  };
}

type OperatorsView = Omit<
  VaultSimulator,
  keyof OwnersView | keyof AsyncDisposable | 'address' | 'activeAddress' | 'ca'
>;

function operatorsView(cluster: VaultCluster): OperatorsView {
  const { state, calls } = cluster;
  return {
    faults: cluster.faults,
    calls,
    count: (operation, filter) => countCalls(calls, operation, filter),
    seal: () => {
      state.sealed = true;
    },
    unseal: () => {
      state.sealed = false;
    },
    setInitialized: (initialized) => {
      state.initialized = initialized;
    },
    setStandby: (standby, kind = 'standby') => {
      state.standby = standby;
      state.standbyKind = kind;
    },
    revokeTokens: () => cluster.tokens.revokeAll(),
    setRateLimit: (perSecond) => cluster.rateLimit.set(perSecond),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { cluster, node, signal }: { cluster: VaultCluster; node: Node; signal: AbortSignal },
): Promise<void> {
  const body = await readBody(request);
  if (body === undefined) return;
  const asked = {
    method: request.method ?? '',
    target: request.url ?? '',
    headers: request.headersDistinct,
    body,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
  await deliver(await dispatch(asked, cluster, { node, signal }), response, signal);
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
  servers: readonly Server[],
  { closing, bugs }: { closing: AbortController; bugs: readonly unknown[] },
): Promise<void> {
  closing.abort();
  const closed = servers.map((server) => new Promise((done) => server.close(done)));
  for (const server of servers) server.closeAllConnections();
  await Promise.all(closed);
  if (bugs.length > 0) throw new AggregateError(bugs, 'the Vault simulator failed while it answered');
}
