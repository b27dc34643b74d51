/** The token services, each on a port of its own: routes, faults, the record of calls. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pause, systemClock } from '../../../src/base/clock.ts';
import { type Answer, deliver } from '../http/delivery.ts';
import type { SimulatedCloud } from './cloud.ts';
import type { GcpFault, ServiceName } from './faults.ts';

import { generateAccessToken } from './iam-credentials.ts';
import { readMetadata } from './metadata.ts';
import { exchangeAssertion } from './oauth2.ts';
import { ServiceError } from './status.ts';
import { exchangeSubject } from './sts.ts';
import { errorAnswer, injectedError, OAuthError, type TokenAnswer, type TokenRequest } from './token-request.ts';

/** The services that speak HTTP. */
export type TokenServiceName = Exclude<ServiceName, 'kms'>;

/** What token services may suffer. */
type TokenFault = Exclude<GcpFault, { kind: 'corrupt' }>;

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** The operation's name; the last part of the path where it is not given. */
  readonly operation?: string;
  readonly run: (request: TokenRequest) => TokenAnswer;
}

const routes: Record<TokenServiceName, Route> = {
  oauth2: { method: 'POST', path: /^\/token$/, operation: 'token', run: exchangeAssertion },
  sts: { method: 'POST', path: /^\/v1\/token$/, operation: 'token', run: exchangeSubject },
  iam: {
    method: 'POST',
    path: /^\/v1\/projects\/-\/serviceAccounts\/[^/:]+:generateAccessToken$/,
    operation: 'generateAccessToken',
    run: generateAccessToken,
  },
  metadata: { method: 'GET', path: /^\/computeMetadata\/v1\//, run: readMetadata },
};

/** A server that runs. */
export interface TokenServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Cuts all connections and frees the port. */
  close(): Promise<void>;
}

/** Starts one service on a free loopback port. `failed` hears of every request whose handling went wrong. */
export async function startTokenServer(
  service: TokenServiceName,
  options: { readonly cloud: SimulatedCloud; readonly failed: (bug: unknown) => void; readonly signal: AbortSignal },
): Promise<TokenServer> {
  const { cloud, failed, signal } = options;
  let origin = '';
  const server = createServer((request, response) => {
    serve(request, response, { service, origin, cloud, signal }).catch((bug: unknown) => {
      failed(bug);
      response.destroy();
    });
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  return { origin, close };
}

interface Surroundings {
  readonly service: TokenServiceName;
  readonly origin: string;
  readonly cloud: SimulatedCloud;
  readonly signal: AbortSignal;
}

async function serve(request: IncomingMessage, response: ServerResponse, around: Surroundings): Promise<void> {
  const { service, origin, cloud, signal } = around;
  const body = await readBody(request);
  if (body === undefined) return;
  const { pathname: path, searchParams: query } = new URL(request.url ?? '/', origin);
  const route = routes[service];
  const operation = route.operation ?? path.replace(/\/$/, '').split('/').at(-1) ?? '';
  const at = cloud.now();
  let principal: string | undefined;
  const identify = (who: string): void => {
    principal = who;
  };
  const fault = cloud.faults.take({ service, operation, key: undefined });
  if (fault?.kind === 'corrupt') throw new TypeError('only answers of Cloud KMS can be corrupted');
  const given = { method: request.method ?? '', path, query, headers: request.headers, body, origin, cloud, identify };
  const { answer, outcome } = await meet(fault, { service, signal }, () => run(route, given));
  cloud.calls.push({ service, operation, ...(principal === undefined ? {} : { principal }), outcome, at });
  await deliver(delivered(answer, { service, fault, at }), response, signal);
}

function delivered(
  answer: TokenAnswer,
  { service, fault, at }: { service: TokenServiceName; fault: TokenFault | undefined; at: number },
): Answer {
  const retryAfter = fault?.kind === 'throttle' ? fault.retryAfterSeconds : undefined;
  const headers = {
    'content-type': answer.contentType,
    date: new Date(at).toUTCString(),
    ...(service === 'metadata' ? { 'metadata-flavor': 'Google' } : {}),
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  };
  return { status: answer.status, headers, body: answer.body, ...(fault === undefined ? {} : { fault }) };
}

/** Runs the operation unless the fault takes its place; says what the record shows. */
async function meet(
  fault: TokenFault | undefined,
  { service, signal }: { service: TokenServiceName; signal: AbortSignal },
  operation: () => TokenAnswer,
): Promise<{ answer: TokenAnswer; outcome: string }> {
  try {
    switch (fault?.kind) {
      case 'reset':
      case 'hang':
      case 'html':
        return { answer: { status: 200, body: '', contentType: 'text/plain' }, outcome: `fault:${fault.kind}` };
      case 'latency':
        await pause(systemClock, fault.ms, signal);
        break;
      case 'error':
        throw injectedError(service, fault);
      case 'throttle':
        throw throttled(service);
      default:
    }
    return { answer: operation(), outcome: 'ok' };
  } catch (error) {
    const refused = errorAnswer(error);
    if (refused === undefined) throw error;
    return { answer: refused.answer, outcome: refused.code };
  }
}

function run(route: Route, request: TokenRequest): TokenAnswer {
  if (request.method !== route.method || !route.path.test(request.path)) {
    throw new ServiceError('NOT_FOUND', 'Requested entity was not found.');
  }
  return route.run(request);
}

function throttled(service: TokenServiceName): Error {
  if (service === 'iam') return new ServiceError('RESOURCE_EXHAUSTED', 'Quota exceeded for the quota metric.');
  return new OAuthError('rate_limit_exceeded', 'The rate limit is exceeded.', 429);
}

/** The whole body, or undefined when the client went away before its end. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}
