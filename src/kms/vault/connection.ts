/**
 * HTTP to one server, by Node's own client: connections that stay open, no redirects, no retries, a bound on the
 * answer's size. It ends when the signal of a call ends, and wipes what it has sent.
 */

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { ownBytes } from '../../base/bytes.ts';
import { connectionCodeOf } from '../../base/system-code.ts';
import type { TrustedAuthorities } from './trust.ts';

/** One request to the origin. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Begins with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Taken over: overwritten as soon as the connection has let go of it. */
  readonly body?: Buffer;
  /** On a connection of its own, so that a request that must not be sent twice cannot meet one that is just closing. */
  readonly isAlone?: boolean;
  readonly signal: AbortSignal;
}

/** An answer, whatever its status. Its body belongs to whoever receives it. */
export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** No answer: a network's, a TLS layer's or a signal's doing. */
export class NoAnswer extends Error {
  /** The system's or Node's code, `ECONNREFUSED` say. */
  readonly code: string;
  /** Whether any of the request can have reached the server. */
  readonly mayHaveArrived: boolean;

  constructor(code: string, mayHaveArrived: boolean) {
    super(`no answer: ${code}`);
    this.name = 'NoAnswer';
    this.code = code;
    this.mayHaveArrived = mayHaveArrived;
  }
}

/** More than the engine's own limit on concurrent calls, so that none waits here unseen. */
const maxSockets = 128;
/** An idle connection is closed after this time, in milliseconds; sooner than servers and proxies in between do it. */
const idleMs = 30_000;
/** No honest answer of Vault's to what is asked here comes near it: a batch of 256 is below 200 KiB. */
const maxAnswerBytes = 1024 * 1024;

/** The connections to one origin. Disposing of it ends them. */
export class Connection implements Disposable {
  readonly #url: URL;
  readonly #trust: TrustedAuthorities;
  readonly #agent: HttpAgent;
  readonly #aloneAgent: HttpAgent;
  /** Requests whose bodies a connection has been given; it wipes them itself. */
  readonly #inUse = new WeakSet<HttpRequest>();

  constructor(address: string, trust: TrustedAuthorities) {
    this.#url = new URL(address);
    this.#trust = trust;
    const Agent = this.#url.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets, timeout: idleMs });
    this.#aloneAgent = new Agent({ keepAlive: false, maxSockets });
  }

  /** Sends one request. Throws `NoAnswer`, or what kept the authorities from being read. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    try {
      const ca = await this.#trust.certificates();
      return await this.#exchange(request, ca);
    } finally {
      if (!this.#inUse.has(request)) request.body?.fill(0);
    }
  }

  #exchange(request: HttpRequest, ca: string | undefined): Promise<HttpAnswer> {
    const { signal, body } = request;
    if (signal.aborted) return Promise.reject(new NoAnswer('Aborted', false));
    return new Promise((done, fail) => {
      const outgoing = this.#open(request, ca);
      this.#inUse.add(request);
      let isConnected = false;
      const lost = (code: string) => fail(new NoAnswer(code, isConnected));
      const abort = () => outgoing.destroy(new NoAnswer('Aborted', isConnected));
      signal.addEventListener('abort', abort, { once: true });
      outgoing.once('socket', (socket) => {
        isConnected = !socket.connecting;
        // A connection that is used again connects no more: listeners would pile up on it, with all that they hold.
        if (isConnected) return;
        socket.once(this.#url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
          isConnected = true;
        });
      });
      let isAnswering = false;
      outgoing.once('response', (incoming) => {
        isAnswering = true;
        receive(incoming).then(done, (error) => {
          outgoing.destroy();
          lost(connectionCodeOf(error));
        });
      });
      outgoing.on('error', (error) => lost(connectionCodeOf(error)));
      outgoing.once('close', () => {
        signal.removeEventListener('abort', abort);
        body?.fill(0);
        // An answer has an end of its own, which may be read after the connection has closed.
        if (!isAnswering) lost('ConnectionClosed');
      });
      outgoing.end(body);
    });
  }

  #open({ method, path, headers, body, isAlone }: HttpRequest, ca: string | undefined) {
    const isSecure = this.#url.protocol === 'https:';
    const options: RequestOptions & { ca?: string } = {
      agent: isAlone ? this.#aloneAgent : this.#agent,
      method,
      path: `${this.#url.pathname.replace(/\/$/, '')}${path}`,
      headers: {
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
      },
      ...(isSecure && ca !== undefined && { ca }),
    };
    return isSecure ? httpsRequest(this.#url, options) : httpRequest(this.#url, options);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
    this.#aloneAgent.destroy();
  }
}

async function receive(incoming: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming) {
      if (!Buffer.isBuffer(chunk)) throw new NoAnswer('AnswerNotBytes', true);
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxAnswerBytes) throw new NoAnswer('AnswerTooLong', true);
    }
    return {
      status: incoming.statusCode ?? 0,
      retryAfter: incoming.headers['retry-after'],
      body: joined(chunks, size),
    };
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

/** In memory of its own: `Buffer.concat` may use a pool, of which a slice outlives the wiping. */
function joined(chunks: readonly Buffer[], size: number): Buffer {
  const body = ownBytes(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.length;
  }
  return body;
}
