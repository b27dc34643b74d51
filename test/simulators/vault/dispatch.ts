/**
 * One request from its bytes to its answer: which namespace and mount, which token, which injected fault, what it may.
 *
 * The order of the checks is the server's: quota, redirection, JSON, seal, namespace, token, policy, and only then the
 * backend, so that a path that does not exist is a 403 to whoever may not ask for it. Source: OpenBao `http/handler.go`,
 * `http/logical.go`, `vault/request_handling.go`. Knows no sockets; those are `../http/delivery.ts`.
 */
import { randomUUID } from 'node:crypto';
import { pause, systemClock } from '../../../src/base/clock.ts';
import type { Answer } from '../http/delivery.ts';
import type { Fault } from '../http/fault.ts';
import type { Call } from './calls.ts';
import {
  authorize,
  type Destination,
  deadToken,
  findDestination,
  type RawRequest,
  type VaultCluster,
} from './cluster.ts';
import { quotaExceeded, refusal, refusals, VaultError } from './errors.ts';
import { type HttpRequest, type ParsedTarget, parseBody, parseTarget, tokenIn } from './http-request.ts';
import { type Operation, type Reply, successBody } from './logical.ts';
import type { Namespace } from './mounts.ts';
import { health, type NodeAnswer, sealStatus } from './sys.ts';
import type { Token } from './tokens.ts';

/** Which node of the cluster a request came to. */
export interface Node {
  /** The node that clients are told of; the other one is always the active one. */
  readonly front: boolean;
  /** Origin of the active node. */
  readonly activeAddress: string;
}

type Notes = { -readonly [K in keyof Omit<Call, 'status' | 'outcome' | 'at'>]: Call[K] } & {
  fault?: Fault;
  login?: boolean;
};

interface Found {
  readonly namespace: Namespace;
  readonly path: string;
  readonly token: Token | undefined;
  readonly destination: Destination | undefined;
}

/** Answers a request; rejects only with the signal's reason, when an injected wait is cut short. */
export async function dispatch(
  request: HttpRequest,
  cluster: VaultCluster,
  { node, signal }: { node: Node; signal: AbortSignal },
): Promise<Answer> {
  const at = cluster.now();
  const notes: Notes = { operation: '', method: request.method, requestId: randomUUID() };
  const answer = await respond(request, cluster, { node, signal, notes }).catch((error: unknown): Response => {
    if (!(error instanceof VaultError)) throw error;
    const errors = error.errors(notes.login === true);
    return {
      status: error.status,
      body: `${JSON.stringify({ errors })}\n`,
      outcome: error.message || String(error.status),
    };
  });
  const { fault, login: _login, ...known } = notes;
  const replaced = fault !== undefined && ['reset', 'hang', 'html'].includes(fault.kind);
  const outcome = replaced ? `fault:${fault.kind}` : (answer.outcome ?? 'ok');
  cluster.calls.push({ ...known, status: answer.status, outcome, at });
  const headers = { ...headersFor(fault), ...answer.headers, date: new Date(cluster.now()).toUTCString() };
  return { status: answer.status, headers, body: answer.body, ...(fault === undefined ? {} : { fault }) };
}

interface Response {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `ok` unless given. */
  readonly outcome?: string;
}

function headersFor(fault: Fault | undefined): Record<string, string> {
  const retryAfter = fault?.kind === 'throttle' ? fault.retryAfterSeconds : undefined;
  return {
    'cache-control': 'no-store',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'content-type': 'application/json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  };
}

async function respond(
  request: HttpRequest,
  cluster: VaultCluster,
  { node, signal, notes }: { node: Node; signal: AbortSignal; notes: Notes },
): Promise<Response> {
  const target = parseTarget(request);
  const found = find(target, request, cluster);
  note(notes, { target, found, request });
  if ((await suffer(cluster, { notes, target, signal })) === 'replaced') return { status: 0, body: '' };
  const status = nodeStatus({ target, method: request.method }, cluster, node);
  if (status !== undefined) return { status: status.status, body: `${JSON.stringify(status.body)}\n` };
  if (!cluster.rateLimit.admits()) throw quotaExceeded(target.path);
  if (node.front && cluster.state.standby === 'redirecting') {
    const headers = { location: node.activeAddress + request.target };
    return { status: 307, body: '', headers, outcome: 'redirected' };
  }
  const raw = parseBody(request, target);
  if (cluster.state.sealed || !cluster.state.initialized) throw refusals.sealed();
  if (found === undefined) throw refusal('namespace not found', 404);
  return answer(await handle({ target, raw, request, found }, cluster), { operation: target.operation, notes });
}

/** Where a request leads; undefined where its header names no namespace. */
function find(target: ParsedTarget, request: HttpRequest, cluster: VaultCluster): Found | undefined {
  const resolved = cluster.namespaces.resolve(target.namespaceHeader, target.path);
  if (resolved === undefined) return undefined;
  const id = tokenIn(request);
  const token = id === undefined ? undefined : cluster.tokens.find(id);
  // What a token does to itself happens in its own namespace, wherever it asks.
  const own = /^auth\/token\/(?:lookup|renew|revoke)-self$/.test(resolved.path) ? token?.namespacePath : undefined;
  const namespace = own === undefined ? resolved.namespace : cluster.namespaces.require(own);
  const { path } = resolved;
  const destination = findDestination(cluster, { namespace, path, operation: target.operation, token });
  return { namespace, path, token, destination };
}

function note(
  notes: Notes,
  { target, found, request }: { target: ParsedTarget; found: Found | undefined; request: HttpRequest },
): void {
  notes.operation = target.nodePath ?? found?.destination?.name ?? '';
  if (found === undefined) return;
  const { namespace, destination, token } = found;
  if (namespace.path !== '') notes.namespace = namespace.path.replace(/\/$/, '');
  if (destination !== undefined) notes.mount = destination.mount;
  if (token !== undefined && token.accessor !== '') notes.accessor = token.accessor;
  notes.login = destination?.login === true;
  const body = peek(request);
  const key = destination?.key ?? (typeof body['role'] === 'string' ? body['role'] : undefined);
  if (key !== undefined) notes.key = key;
  if (Array.isArray(body['batch_input'])) notes.batchSize = body['batch_input'].length;
}

/** The body, as far as it can be told before it is checked. */
function peek(request: HttpRequest): Readonly<Record<string, unknown>> {
  try {
    return parseBody(request, parseTarget(request));
  } catch {
    return {};
  }
}

async function handle(
  {
    target,
    raw,
    request,
    found,
  }: { target: ParsedTarget; raw: Readonly<Record<string, unknown>>; request: HttpRequest; found: Found },
  cluster: VaultCluster,
): Promise<Reply | undefined> {
  const { namespace, path, token, destination } = found;
  const { operation } = target;
  const { remoteAddress } = request;
  if (namespace.path !== '' && /^sys\/(?:health|seal)/.test(path)) throw refusal('operation unavailable in namespaces');
  if (/\/$/.test(path) && operation === 'update') throw refusal("cannot write to a path ending in '/'");
  const asked: RawRequest = { operation, raw, path, token, remoteAddress };
  if (destination?.login === true) return destination.run(asked);
  if (token === undefined) throw deadToken(tokenIn(request) === undefined ? 'openbao' : cluster.product);
  const missing = operation === 'update' && destination?.exists(asked) === false;
  const real: RawRequest = missing ? { ...asked, operation: 'create' } : asked;
  authorize(cluster, { token, namespace, path, operation: real.operation });
  if (destination === undefined) {
    throw refusal(`no handler for route ${JSON.stringify(path)}. route entry not found.`, 404);
  }
  return destination.run(real);
}

function answer(reply: Reply | undefined, { operation, notes }: { operation: Operation; notes: Notes }): Response {
  if (reply === undefined) {
    if (operation === 'read' || operation === 'list') throw refusals.nothing();
    return { status: 204, body: '' };
  }
  const body = successBody(reply, notes.requestId);
  const status = reply.status ?? 200;
  const text = notes.operation === 'capabilities-self' ? withDataOnTop(body) : body;
  return { status, body: text, outcome: status < 400 ? 'ok' : 'partial failure' };
}

/** Some answers of `sys/` have their data beside the envelope too, as they once had. */
function withDataOnTop(body: string): string {
  const envelope: unknown = JSON.parse(body);
  const data = typeof envelope === 'object' && envelope !== null && 'data' in envelope ? envelope.data : {};
  return `${JSON.stringify({ ...(data as object), ...(envelope as object) })}\n`;
}

const nodeMethods = { health: ['GET', 'HEAD'], 'seal-status': ['GET'] } as const satisfies Record<
  string,
  readonly string[]
>;

function nodeStatus(
  { target, method }: { target: ParsedTarget; method: string },
  cluster: VaultCluster,
  node: Node,
): NodeAnswer | undefined {
  if (target.nodePath === undefined) return undefined;
  if (target.namespaceHeader !== '' && target.nodePath === 'health') {
    throw refusal('operation unavailable in namespaces');
  }
  if (!nodeMethods[target.nodePath].some((known) => known === method)) throw refusal('', 405);
  const state = node.front ? cluster.state : { ...cluster.state, standby: 'no' as const };
  return target.nodePath === 'health' ? health(state, target.query, cluster.now()) : sealStatus(state);
}

/** Lets the call meet its fault; `replaced` when the operation does not run at all. */
async function suffer(
  cluster: VaultCluster,
  { notes, target, signal }: { notes: Notes; target: ParsedTarget; signal: AbortSignal },
): Promise<'runs' | 'replaced'> {
  const { operation, key, namespace } = notes;
  const fault = cluster.faults.take({ operation, key, namespace });
  if (fault === undefined) return 'runs';
  notes.fault = fault;
  switch (fault.kind) {
    case 'latency':
      await pause(systemClock, fault.ms, signal);
      return 'runs';
    case 'error':
      throw refusal(fault.message ?? '', fault.status);
    case 'throttle':
      throw quotaExceeded(target.path);
    case 'half-open':
    case 'truncate':
    case 'trickle':
      return 'runs';
    case 'reset':
    case 'hang':
    case 'html':
      return 'replaced';
  }
}
