/**
 * The few calls to the API server that the injector makes. By node:https and not by a client library: it is four calls on
 * three paths, and `@kubernetes/client-node` 2.0.1 would bring sixteen packages of its own to ship for them.
 */
import { Agent, request } from 'node:https';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { ServiceAccount } from './service-account.ts';

/** An answer, whatever its status. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** One call. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly body?: object;
}

/** Longest wait for an answer, in milliseconds, and the largest answer, in bytes. */
const timeoutMs = 5000;
const largestAnswer = 4 * 2 ** 20;

export class ApiServer implements Disposable {
  readonly #account: ServiceAccount;
  readonly #clock: Clock;
  readonly #agent: Agent;
  /** By how much the API server's clock is ahead of this machine's, in milliseconds, as of the last answer. */
  #aheadMs = 0;

  constructor(account: ServiceAccount, clock: Clock = systemClock) {
    this.#account = account;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
  }

  /** Rejects where there is no answer, or none that is JSON; its message shows neither token nor body. */
  async call(call: ApiCall): Promise<ApiAnswer> {
    const [token, ca] = await Promise.all([this.#account.token(), this.#account.ca()]);
    const { status, text } = await this.#exchange(call, { token, ca });
    try {
      return { status, body: text === '' ? undefined : JSON.parse(text) };
    } catch {
      throw new Error(`${call.method} ${call.path}: the API server answered ${status} and no JSON`);
    }
  }

  /**
   * The time by the API server's clock, in milliseconds since 1970, to a second and how long an answer takes: by the header
   * `Date` of its last answer (RFC 9110, section 6.6.1), or by this machine's clock where there was none.
   */
  now(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  #readDate(header: string | undefined): void {
    const date = Date.parse(header ?? '');
    if (!Number.isNaN(date)) this.#aheadMs = date - this.#clock.now();
  }

  #exchange(
    { method, path, body }: ApiCall,
    { token, ca }: { readonly token: string; readonly ca: string },
  ): Promise<{ status: number; text: string }> {
    const { host, port } = this.#account;
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((done, fail) => {
      const failed = (error: Error) => fail(new Error(`${method} ${path}: ${error.message}`, { cause: error }));
      const call = request(
        {
          // The agent keeps connections that were made with another authority apart.
          ...{ host, port, path, method, ca, agent: this.#agent, signal: AbortSignal.timeout(timeoutMs) },
          headers: {
            accept: 'application/json',
            authorization: `Bearer ${token}`,
            'user-agent': 'keyproxy-injector',
            ...(content && { 'content-type': contentTypes[method], 'content-length': content.length }),
          },
        },
        (answer) => {
          this.#readDate(answer.headers.date);
          let text = '';
          answer.setEncoding('utf8');
          answer.on('data', (chunk) => {
            text += chunk;
            if (text.length > largestAnswer) answer.destroy(new Error('the answer is too large'));
          });
          answer.on('end', () => done({ status: answer.statusCode ?? 0, text }));
          answer.on('error', failed);
        },
      );
      call.on('error', failed);
      call.end(content);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const verbs: Readonly<Record<ApiCall['method'], string>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
};

/** A status that nobody has expected, with what would be right where that is known. */
export function unexpected({ method, path }: ApiCall, status: number, remedy = ''): Error {
  const right = status === 403 ? `; the role needs ${verbs[method]} on it` : '';
  return new Error(`${method} ${path}: the API server answered ${status}${right}${remedy}`);
}

/** A patch lists its steps (RFC 6902); everything else is the object. */
const contentTypes: Readonly<Record<ApiCall['method'], string>> = {
  GET: 'application/json',
  POST: 'application/json',
  PUT: 'application/json',
  PATCH: 'application/json-patch+json',
};
