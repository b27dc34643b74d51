/** Stands between a provider and its simulator, and changes answers while it is told to. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ServerCertificate } from '../../support/certificates.ts';
import type { HttpAnswer } from './garble.ts';

export interface HttpProxyOptions {
  /** The origin of the simulator. */
  readonly to: string;
  /** What the simulator's certificate is signed by, and what the proxy itself shows; absent for plain HTTP. */
  readonly secure?: { readonly ca: string; readonly own: ServerCertificate };
}

export class HttpProxy implements AsyncDisposable {
  readonly #options: HttpProxyOptions;
  readonly #server: ReturnType<typeof createServer>;
  /** What becomes of answers; absent: nothing. */
  change: ((answer: HttpAnswer) => HttpAnswer) | undefined;

  /** Bytes of answers that have no end. */
  sentWithoutEnd = 0;

  private constructor(options: HttpProxyOptions) {
    this.#options = options;
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch(() => response.destroy());
    };
    this.#server = options.secure ? createSecureServer(options.secure.own, answer) : createServer(answer);
  }

  static async start(options: HttpProxyOptions): Promise<HttpProxy> {
    const proxy = new HttpProxy(options);
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `${this.#options.secure ? 'https' : 'http'}://127.0.0.1:${address.port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const honest = await this.#forward(request, await buffer(request));
    const { status, headers, body, isCut = false, isEndless = false } = this.change?.(honest) ?? honest;
    if (isEndless) {
      this.#sendWithoutEnd(response.writeHead(status, headers));
      return;
    }
    response.writeHead(status, { ...headers, 'content-length': body.length });
    if (isCut) response.write(body.subarray(0, body.length / 2), () => response.socket?.destroy());
    else response.end(body);
  }

  /** Sends for as long as somebody reads. */
  #sendWithoutEnd(response: ServerResponse): void {
    const chunk = Buffer.alloc(64 * 1024, ' ');
    const more = () => {
      if (response.destroyed) return;
      this.sentWithoutEnd += chunk.length;
      if (response.write(chunk)) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  }

  async #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<HttpAnswer> {
    const { to, secure } = this.#options;
    const incoming = await new Promise<IncomingMessage>((done, fail) => {
      const target = new URL(url ?? '/', to);
      const options = { method, headers, agent: false as const };
      const outgoing = secure ? httpsRequest(target, { ...options, ca: secure.ca }) : httpRequest(target, options);
      outgoing.on('response', done).on('error', fail);
      Readable.from([body]).pipe(outgoing);
    });
    const {
      connection: _,
      'content-length': __,
      'transfer-encoding': ___,
      'keep-alive': ____,
      ...kept
    } = incoming.headers;
    const text = (await buffer(incoming)).toString('latin1').replaceAll(to, this.origin);
    const rows = Object.entries(kept).map(([name, value]) => [name, String(value)]);
    return { status: incoming.statusCode ?? 0, headers: Object.fromEntries(rows), body: Buffer.from(text, 'latin1') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
