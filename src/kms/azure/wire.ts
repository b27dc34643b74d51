/**
 * The connections under the Azure libraries. Their own have no bound on the size of an answer, keep its bytes, and
 * tell nobody what passed; this one is theirs to use by their public option `httpClient`.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { KeyClientOptions } from '@azure/keyvault-keys';
import { fields } from '../fields.ts';
import { requestIdOf } from '../provider-note.ts';
import { Exchange, json, type Outcome } from './exchange.ts';

type HttpClient = NonNullable<KeyClientOptions['httpClient']>;
type Request = Parameters<HttpClient['sendRequest']>[0];
type Response = Awaited<ReturnType<HttpClient['sendRequest']>>;

/** More than the engine's own limit on concurrent calls, so that none waits here unseen. */
const maxSockets = 128;
/** How long a connection may be idle, in milliseconds; the service's own word in Keep-Alive counts where it is less. */
const idleMs = 60_000;
/** Largest answer in bytes; the largest honest one, the description of a key, has a few kilobytes. */
const maxAnswer = 1 << 20;

/** The open connections of one client or of several. Disposing of it closes those that are idle. */
export class AzureWire implements HttpClient, Disposable {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets, timeout: idleMs });
  readonly #https: HttpsAgent;

  /** `ca`: authorities in PEM that are trusted in place of the machine's own. */
  constructor(ca?: string) {
    this.#https = new HttpsAgent({ keepAlive: true, maxSockets, timeout: idleMs, ...(ca !== undefined && { ca }) });
  }

  /** Sends a request of a library, and notes in the exchange under way what became of it. */
  async sendRequest(request: Request): Promise<Response> {
    const exchange = Exchange.current();
    exchange?.sent(request.headers.has('authorization'));
    try {
      const response = await this.#send(request, exchange?.signal ?? request.abortSignal);
      exchange?.ended(answerOf(response));
      return exchange === undefined ? response : withoutExpiry(response, exchange);
    } catch (error) {
      exchange?.ended({ kind: 'silence', ...codeOf(error) });
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #send(request: Request, signal: unknown): Promise<Response> {
    const url = new URL(request.url);
    const isHttp = url.protocol === 'http:';
    if (isHttp && !request.allowInsecureConnection) throw new WireError('INSECURE');
    const headers = Object.fromEntries(request.headers);
    // What a customer reads in the vault's log: who called, and nothing of the machine that it runs on.
    headers['user-agent'] = 'keyproxy';
    delete headers['accept-encoding'];
    const options: RequestOptions = {
      method: request.method,
      headers,
      // A proxy of the environment is one that the library has put here.
      agent: request.agent instanceof HttpAgent ? request.agent : isHttp ? this.#http : this.#https,
      ...(signal instanceof AbortSignal && { signal }),
    };
    const message = await sent(url, options, bodyOf(request));
    const bodyAsText = await textOf(message);
    return { request, status: message.statusCode ?? 0, headers: new AnswerHeaders(message), bodyAsText };
  }
}

/** The wire's own reason not to go on. */
class WireError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The libraries send JSON and forms: text, or its bytes. */
function bodyOf({ body }: Request): string | Uint8Array {
  if (body === undefined || body === null) return '';
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  throw new WireError('UNKNOWN_BODY');
}

function sent(url: URL, options: RequestOptions, body: string | Uint8Array): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const outgoing = url.protocol === 'http:' ? httpRequest(url, options) : httpsRequest(url, options);
    outgoing.once('response', done);
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

/** Reads an answer to its end, and wipes the bytes that it came in: one of them may hold a data key. */
async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message) {
      if (!Buffer.isBuffer(chunk)) throw new WireError('UNKNOWN_BODY');
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxAnswer) throw new WireError('ANSWER_TOO_LARGE');
    }
    const whole = Buffer.concat(chunks);
    const text = whole.toString('utf8');
    whole.fill(0);
    return text;
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

const codePattern = /^[A-Z][A-Z0-9_]{0,63}$/;

function answerOf({ request, status, headers, bodyAsText }: Response): Outcome {
  const requestId = requestIdOf(headers.get('x-ms-request-id'));
  const retryAfter = headers.get('retry-after');
  return {
    kind: 'answer',
    status,
    authorized: request.headers.has('authorization'),
    challenges: headers.has('www-authenticate'),
    ...(status >= 400 && { error: json(bodyAsText ?? '') }),
    ...(requestId !== undefined && { requestId }),
    ...(retryAfter !== undefined && { retryAfter }),
  };
}

function codeOf(error: unknown): { code?: string } {
  const { code } = fields(error);
  return typeof code === 'string' && codePattern.test(code) ? { code } : {};
}

/**
 * Notes when the token of a managed identity ends, and tells the library that it ends now. It would keep tokens in a
 * store of the whole process, answer from it until five minutes before their end, and offer no way around it: not
 * even for a token that a vault has just refused.
 */
function withoutExpiry(response: Response, exchange: Exchange): Response {
  if (response.request.method !== 'GET' || response.status !== 200) return response;
  const body = fields(json(response.bodyAsText ?? ''));
  const { access_token: token, expires_on: end } = body;
  if (typeof token !== 'string' || (typeof end !== 'string' && typeof end !== 'number')) return response;
  const endsAt = /^\d+$/.test(String(end)) ? Number(end) * 1000 : Date.parse(String(end));
  if (Number.isNaN(endsAt)) return response;
  exchange.tokenEndsAt = endsAt;
  return { ...response, bodyAsText: JSON.stringify({ ...body, expires_on: Math.floor(Date.now() / 1000) }) };
}

/** The headers of an answer in the form that the libraries read. */
class AnswerHeaders implements Iterable<[string, string]> {
  readonly #values: Map<string, string>;

  constructor({ headers }: IncomingMessage) {
    const pairs = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    );
    this.#values = new Map(pairs);
  }

  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase());
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  set(name: string, value: string | number | boolean): void {
    this.#values.set(name.toLowerCase(), String(value));
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#values.entries();
  }
}
