/** Stands between the Google library and its simulator, and changes messages and trailers while it is told to. */
import { connect, createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { buffer } from 'node:stream/consumers';

export interface GrpcAnswer {
  /** The HTTP status; 200 where it is left out. */
  readonly status?: number;
  readonly headers: IncomingHttpHeaders;
  /** With the five bytes before each message. */
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

export class GrpcProxy implements AsyncDisposable {
  readonly #to: ReturnType<typeof connect>;
  /** Room for what a client does not read to its end: Node's usual limit would have it refuse new calls for good. */
  readonly #server: Http2Server = createServer({ maxSessionMemory: 1_000 });
  readonly #sessions = new Set<{ destroy(): void }>();
  /** What becomes of answers; absent: nothing. */
  change: ((answer: GrpcAnswer) => GrpcAnswer) | undefined;

  private constructor(to: string) {
    this.#to = connect(to, { maxSessionMemory: 1_000 });
    this.#server.on('session', (session) => this.#sessions.add(session));
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.#answer(stream, headers).catch(() => stream.destroy());
    });
  }

  static async start(to: string): Promise<GrpcProxy> {
    const proxy = new GrpcProxy(to);
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `http://127.0.0.1:${address.port}`;
  }

  async #answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const honest = await this.#forward(await buffer(stream), headers);
    const answer = this.change?.(honest) ?? honest;
    const { status = 200, body, trailers } = answer;
    stream.once('wantTrailers', () => stream.sendTrailers(plain(trailers)));
    stream.respond({ ...plain(answer.headers), ':status': status }, { waitForTrailers: true });
    stream.end(body);
  }

  async #forward(body: Buffer, headers: IncomingHttpHeaders): Promise<GrpcAnswer> {
    const stream = this.#to.request(headers);
    let [head, trailers]: IncomingHttpHeaders[] = [{}, {}];
    stream.once('response', (got) => {
      head = got;
    });
    stream.once('trailers', (got) => {
      trailers = got;
    });
    stream.end(body);
    const answered = await buffer(stream);
    return { headers: head ?? {}, body: answered, trailers: trailers ?? {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    this.#to.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Without what belongs to the stream itself. */
function plain(headers: IncomingHttpHeaders): Record<string, string> {
  const rows = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
  return Object.fromEntries(rows.map(([name, value]) => [name, String(value)]));
}
