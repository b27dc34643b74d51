/**
 * The HTTPS server that the API server asks: TLS 1.3, two paths, and a certificate that changes. Every pod of the cluster
 * reaches it without credentials, so connections (connections.ts), bodies, large answers, and the time for each have
 * bounds.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type Clock, pause } from '../../base/clock.ts';
import { codeOf } from '../../base/system-code.ts';
import type { HostPort } from '../../config/address.ts';
import type { InjectorMetrics } from '../../telemetry/injector-metrics.ts';
import type { Log } from '../../telemetry/log.ts';
import { SparingLog } from '../../telemetry/sparing-log.ts';
import { asStartupError, bracketed } from '../listeners.ts';
import { AnswerRation, smallAnswer } from './answer-ration.ts';
import type { Issued } from './authority.ts';
import { BodyBudget } from './body-budget.ts';
import { Connections } from './connections.ts';
import { type Answer, failure, type WebhookPath, webhookPaths } from './mutate.ts';

/**
 * The largest body, in bytes. The API server takes requests of 3 MiB (MaxRequestBodyBytes), adds what is by default and
 * what webhooks before this one have added, and sends it all as JSON, whatever it came as.
 */
export const largestBody = 6 * 2 ** 20;
/** Most bytes of all bodies that are being read. */
const bodyBudgetBytes = 16 * 2 ** 20;
/** Most bytes of a body that is too large, which are read and forgotten so that its sender hears why. */
const forgottenBytes = 4 * largestBody;

/**
 * The largest head of a request, in bytes. The API server's has some hundreds, and what an AdmissionConfiguration has it
 * show the webhook, a token say.
 */
const largestHead = 8192;

/**
 * Longest wait for a handshake, for the head of a request, and for all of it, in milliseconds. A connection on which
 * nothing moves for the last of them is closed too, with an answer that nobody fetches say. The API server has a webhook's
 * timeoutSeconds for everything, 5 in the chart and 30 at most.
 */
const defaultHandshakeMs = 5000;
const headersMs = 5000;
const requestMs = 15_000;
/** How long a connection may wait for its next request. Go's client keeps one for 90 s, and does not repeat a POST. */
const idleMs = 120_000;
/** How long a server that ends still takes requests, so that those who send them have heard of it, and then finishes. */
const defaultLingerMs = 3000;
const finishMs = 5000;

export interface WebhookOptions {
  readonly address: HostPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<InjectorMetrics, 'requests' | 'seconds'>;
  /** Answers the body of a review that was sent to a path. */
  readonly answer: (path: WebhookPath, body: Buffer) => Answer;
  /** How long a server that ends still takes new requests, in milliseconds; three seconds by default. */
  readonly lingerMs?: number;
  /** Most connections; 1,024 by default. */
  readonly mostConnections?: number;
  /** Longest wait for a handshake, in milliseconds; five seconds by default. */
  readonly handshakeMs?: number;
}

export class WebhookServer {
  readonly #options: WebhookOptions;
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #budget = new BodyBudget(bodyBudgetBytes);
  readonly #ration: AnswerRation;
  readonly #sparing: SparingLog;
  #listening: Promise<void> | undefined;
  #isDraining = false;

  constructor(options: WebhookOptions, leaf: Issued) {
    this.#options = options;
    this.#ration = new AnswerRation(options.clock);
    this.#sparing = new SparingLog(options.clock);
    this.#server = createServer(
      {
        ...contextOf(leaf),
        ...{ handshakeTimeout: options.handshakeMs ?? defaultHandshakeMs, maxHeaderSize: largestHead },
        ...{ headersTimeout: headersMs, requestTimeout: requestMs },
        ...{ keepAliveTimeout: idleMs, connectionsCheckingInterval: 1000 },
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.timeout = requestMs;
    this.#connections = new Connections(this.#server, options.mostConnections);
    // Probes of ports and clients of another TLS: nothing to act on, and no reason to end.
    this.#server.on('tlsClientError', (error) => options.log.debug({ problem: error.message }, 'a handshake failed'));
  }

  /** Rejects with a StartupError where the address cannot be had. */
  async listen(): Promise<void> {
    const { host, port } = this.#options.address;
    this.#listening = new Promise<void>((done, fail) => {
      this.#server.once('error', fail);
      this.#server.listen({ port, ...(host !== undefined && { host }) }, () => done());
    });
    await this.#listening.catch((error) => {
      throw asStartupError(error, `https://${host === undefined ? '' : bracketed(host)}:${port}`);
    });
  }

  /** Serves new connections by another certificate; those that are open go on. */
  use(leaf: Issued): void {
    this.#server.setSecureContext(contextOf(leaf));
  }

  /** Takes requests for a little longer, finishes those that it has, and closes. */
  async drain(): Promise<void> {
    const { clock, lingerMs = defaultLingerMs } = this.#options;
    this.#isDraining = true;
    // A server that does not listen yet cannot be closed, and would be open later.
    await this.#listening?.catch(() => {});
    await pause(clock, lingerMs);
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.#server.closeIdleConnections();
    await Promise.race([closed, pause(clock, finishMs)]);
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, log } = this.#options;
    const whenSent = this.#connections.begin(request.socket);
    if (whenSent === undefined) {
      metrics.requests.inc({ outcome: 'unread' });
      request.destroy();
      return;
    }
    response.once('close', whenSent);
    const end = metrics.seconds.startTimer();
    try {
      this.#send(response, await this.#answered(request));
    } catch (error) {
      if (request.destroyed && !request.complete) {
        // Nobody is there to be answered.
        metrics.requests.inc({ outcome: 'unread' });
        log.debug({ problem: codeOf(error) }, 'a request was broken off');
        return;
      }
      log.error({ problem: error instanceof Error ? error.stack : 'unknown' }, 'a request failed inside');
      this.#send(response, unread(500, 'failed inside'));
    } finally {
      end();
    }
  }

  async #answered(request: IncomingMessage): Promise<Sent> {
    const { answer } = this.#options;
    const path = webhookPaths.find((known) => known === request.url?.split('?')[0]);
    const refusal = path === undefined ? unread(404, offered) : refusalOf(request);
    const body = refusal === undefined ? await bodyOf(request, this.#budget) : undefined;
    if (path !== undefined && body !== undefined) return { ...answer(path, body), isRead: true };
    // An answer in the middle of a body is lost when the connection closes under those who still send.
    await forget(request);
    return refusal ?? tooLarge;
  }

  #send(response: ServerResponse, sent: Sent): void {
    const content = Buffer.from(JSON.stringify(sent.body));
    if (!this.#ration.take(content.length)) {
      this.#sparing.tell('no room', (leftOut) =>
        this.#options.log.error(
          { bytes: content.length, left_out: leftOut },
          'there was no room for a large answer, and its pod is not admitted',
        ),
      );
      this.#send(response, { ...noRoom, isRead: sent.isRead });
      return;
    }
    this.#options.metrics.requests.inc({ outcome: sent.outcome });
    // TLS keeps for a connection as much memory as its largest answer took.
    const isLast = this.#isDraining || !sent.isRead || content.length > smallAnswer;
    response.writeHead(sent.status, {
      'content-type': 'application/json',
      'content-length': content.length,
      ...(isLast && { connection: 'close' }),
    });
    response.end(content);
  }
}

function contextOf({ cert, key }: Issued) {
  return { cert, key, minVersion: 'TLSv1.3' } as const;
}

/** An answer, and whether its request was read to the end: only then can the connection be used again. */
interface Sent extends Answer {
  readonly isRead: boolean;
}

function unread(...told: Parameters<typeof failure>): Sent {
  return { ...failure(...told), isRead: false };
}

const offered = `offered here: POST ${webhookPaths.join(', POST ')}`;

const tooLarge = unread(413, `the body is larger than ${largestBody} bytes`);

const noRoom = failure(
  503,
  'too many pods of very many containers or tokens were asked about lately; try again in ten minutes',
);

/** What keeps a request from being read at all. */
function refusalOf({ method, headers }: IncomingMessage): Sent | undefined {
  if (method !== 'POST') return unread(405, offered);
  if (headers['content-type']?.split(';')[0]?.trim() !== 'application/json') {
    return unread(415, 'the content-type must be application/json');
  }
  return Number(headers['content-length'] ?? 0) > largestBody ? tooLarge : undefined;
}

/** The whole body; undefined where it is too large. Rejects where the connection breaks, or there is no room. */
async function bodyOf(request: IncomingMessage, budget: BodyBudget): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  const giveUp = () => void request.destroy(new Error('there was no room for its body'));
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      length += chunk.length;
      if (length > largestBody) return undefined;
      chunks.push(chunk);
      budget.add(giveUp, chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    budget.release(giveUp);
  }
}

/** Reads the rest of a body without keeping it, up to a bound. Rejects where the connection breaks. */
async function forget(request: IncomingMessage): Promise<void> {
  if (Number(request.headers['content-length'] ?? 0) > forgottenBytes) return;
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > forgottenBytes) return;
  }
}
