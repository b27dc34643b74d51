/** One gRPC call on a stream of HTTP/2: from its head to its end. */
import type { Caller } from '../../base/caller.ts';
import type { Timer } from '../../base/clock.ts';
import { type ErrorCode, errorCodes } from '../../h2/frames.ts';
import type { HeaderField, HeaderList } from '../../h2/hpack/field.ts';
import type { RequestHead } from '../../h2/request.ts';
import type { Stream, StreamUser } from '../../h2/stream.ts';
import { bytesOf, type Reply, replyOf } from '../reply.ts';
import { whileWanted } from '../wanted.ts';
import type { CallHead } from './call-head.ts';
import { compressed, decompressed, UnusableMessage } from './gzip.ts';
import { type Handler, type Refusal, type Refused, type ServerCall, type Status, StatusError } from './handler.ts';
import { type Held, MessageReader, prefixLength } from './message-reader.ts';
import { Requests } from './requests.ts';
import { okFields, statusFields } from './status-fields.ts';

/** What a call needs of its server. */
export interface CallHost {
  readonly caller: Caller;
  readonly maxMessageBytes: number;
  /** Of the connection that the call came on. */
  readonly held: Held;
  /** `path` is that of the method where its handler does not know of the call. */
  readonly refuse: (refusal: Refusal, path: string | undefined) => Refused;
  /** Calls `run` when the call's time is over, unless the call ends in the same turn. */
  deadline(call: Call, milliseconds: number): void;
  /** The call is over and its handler has ended. */
  ended(call: Call): void;
}

/** What a call does. */
export type CallState =
  /** Its request comes. */
  | 'receiving'
  /** Its handler works; the requests of a stream may still come. */
  | 'working'
  /** Its end has been said, or nobody is there to hear it. */
  | 'over';

/** The head of every answer; with the messages as they are, and compressed. */
const plainHead: HeaderList = [
  { name: ':status', value: '200' },
  { name: 'content-type', value: 'application/grpc' },
  { name: 'grpc-accept-encoding', value: 'identity,gzip' },
];
const gzipHead: HeaderList = [...plainHead, { name: 'grpc-encoding', value: 'gzip' }];

export class Call implements StreamUser, ServerCall {
  readonly path: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly handler: Handler;
  compress = false;
  #requestWasCompressed: boolean | undefined;
  readonly #stream: Stream;
  readonly #head: Extract<CallHead, { kind: 'call' }>;
  readonly #host: CallHost;
  readonly #reader: MessageReader;
  readonly #controller = new AbortController();
  #state: CallState = 'receiving';
  /** The one message of a unary call; the queue of a stream. */
  #request: Buffer | Promise<Buffer> | undefined;
  readonly #requests: Requests | undefined;
  /** Whether somebody works for the call, and whether its handler was ever asked. */
  #isHandling = false;
  #isHandled = false;
  #timer: Timer | undefined;
  #headFields: HeaderField[] | undefined;
  #endFields: HeaderField[] | undefined;
  #hasHead = false;
  #drained: (() => void) | undefined;

  constructor(
    stream: Stream,
    request: RequestHead,
    options: { head: Extract<CallHead, { kind: 'call' }>; handler: Handler; host: CallHost },
  ) {
    const { head, handler, host } = options;
    this.path = request.path;
    this.authority = request.authority;
    this.headers = request.fields;
    this.handler = handler;
    this.#stream = stream;
    this.#head = head;
    this.#host = host;
    this.#reader = new MessageReader({
      maxMessageBytes: host.maxMessageBytes,
      held: host.held,
      onMessage: (message, isCompressed) => this.#onMessage(message, isCompressed),
    });
    const isMany = handler.kind === 'client_stream' || handler.kind === 'bidi_stream';
    this.#requests = isMany ? new Requests((bytes) => stream.grant(bytes)) : undefined;
    if (head.timeoutMs !== undefined) host.deadline(this, head.timeoutMs);
    if (this.#requests !== undefined) this.#work(this.#requests);
  }

  get caller(): Caller {
    return this.#host.caller;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get requestWasCompressed(): boolean {
    return this.#requestWasCompressed === true;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  addHeaders(fields: HeaderList): void {
    this.#headFields = [...(this.#headFields ?? []), ...fields];
  }

  addTrailers(fields: HeaderList): void {
    this.#endFields = [...(this.#endFields ?? []), ...fields];
  }

  /** Runs out of time by `timer`, which ends with the call. */
  runOutBy(timer: Timer): void {
    this.#timer = timer;
  }

  /** Ends the call with a reason of the server's, and tells its handler. */
  refuse(refusal: Refusal): void {
    const { status, reason } = this.#refused(refusal);
    this.#end(statusFields(status));
    this.#giveUp(reason);
  }

  /** Asks the handler to end the call with this error. */
  abort(error: unknown): void {
    this.#controller.abort(error);
  }

  // What the stream tells.

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === 'over') return;
    const refusal = this.#reader.read(bytes, start, end);
    if (refusal !== undefined) this.refuse(refusal);
    else if (this.#requests !== undefined) this.#requests.came(end - start);
    else this.#stream.grant(end - start);
  }

  onEnd(): void {
    if (this.#state === 'over') return;
    if (this.#reader.isInside) this.refuse({ kind: 'malformed', what: 'the request ends inside a message' });
    else if (this.#requests !== undefined) this.#requests.end();
    else if (this.#request === undefined) this.refuse({ kind: 'malformed', what: 'the request has no message' });
    else this.#work(this.#request);
  }

  onDrained(): void {
    this.#drained?.();
    this.#drained = undefined;
  }

  onReset(_code: ErrorCode): void {
    if (this.#state === 'over') return;
    const { reason } = this.#refused({ kind: 'cancelled' });
    this.#close();
    this.#giveUp(reason);
  }

  #onMessage(bytes: Buffer, isCompressed: boolean): void {
    if (isCompressed && this.#head.encoding === 'identity') {
      this.refuse({ kind: 'malformed', what: 'a message is compressed, and grpc-encoding does not say how' });
      return;
    }
    this.#requestWasCompressed ??= isCompressed;
    const message = isCompressed ? decompressed(bytes, this.#host.maxMessageBytes) : bytes;
    if (this.#requests !== undefined) this.#requests.push(message, bytes.length);
    else if (this.#request === undefined) this.#request = message;
    else this.refuse({ kind: 'malformed', what: 'the request has more than one message' });
  }

  /** Lets the handler work. */
  #work(request: Buffer | Promise<Buffer> | Requests): void {
    this.#state = 'working';
    this.#isHandling = true;
    if (request instanceof Promise) {
      request.catch(() => {});
      request.then(
        (message) => this.#handle(message),
        (error) => this.#fail(error),
      );
    } else this.#handle(request);
  }

  #handle(request: Buffer | Requests): void {
    const { handler } = this;
    this.#isHandled = true;
    // `Requests` is there for the two kinds that take many, and for no other.
    const [one, many] = [request as Buffer, request as Requests];
    switch (handler.kind) {
      case 'unary':
        this.#answer(handler.handle(one, this));
        break;
      case 'client_stream':
        this.#answer(handler.handle(many, this));
        break;
      case 'server_stream':
        void this.#answerAll(handler.handle(one, this));
        break;
      case 'bidi_stream':
        void this.#answerAll(handler.handle(many, this));
    }
  }

  #answer(answer: Promise<Reply>): void {
    answer.then(
      (reply) => this.#finish(reply),
      (error) => this.#fail(error),
    );
  }

  #finish(reply: Reply): void {
    if (this.#state === 'over') {
      reply[Symbol.dispose]();
      this.#release();
    } else if (this.compress && this.#head.acceptsGzip) {
      this.#sendCompressed(reply).then(
        () => this.#succeed(),
        (error) => this.#fail(error),
      );
    } else {
      this.#send(reply);
      this.#succeed();
    }
  }

  async #answerAll(answers: AsyncIterable<Reply>): Promise<void> {
    try {
      for await (const reply of whileWanted(answers, this.signal)) {
        const isSent = this.compress && this.#head.acceptsGzip ? await this.#sendCompressed(reply) : this.#send(reply);
        if (!isSent && !this.isOver) await new Promise<void>((done) => (this.#drained = done));
      }
      // A method may end its answers because the caller has gone: that is no success.
      this.signal.throwIfAborted();
      this.#succeed();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sends an answer; returns whether the peer has room for more. */
  #send(reply: Reply, isCompressed = false): boolean {
    using written = reply;
    if (this.isOver) return true;
    this.#sendHead();
    return this.#stream.data({
      size: prefixLength + written.size,
      writeTo(target, at) {
        target[at] = isCompressed ? 1 : 0;
        target.writeUInt32BE(written.size, at + 1);
        written.writeTo(target, at + prefixLength);
      },
    });
  }

  async #sendCompressed(reply: Reply): Promise<boolean> {
    const plain = bytesOf(reply);
    const small = await compressed(plain);
    plain.fill(0);
    return this.#send(replyOf(small), true);
  }

  #sendHead(): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    const head = this.compress && this.#head.acceptsGzip ? gzipHead : plainHead;
    this.#stream.headers(this.#headFields === undefined ? head : [...head, ...this.#headFields]);
  }

  #succeed(): void {
    if (!this.isOver) {
      this.#sendHead();
      this.#end(okFields);
    }
    this.#release();
  }

  #fail(error: unknown): void {
    if (!this.isOver && error instanceof StatusError) {
      this.#end(statusFields(error.status));
      this.#giveUp(error);
    } else if (!this.isOver) {
      this.refuse(error instanceof UnusableMessage ? error.refusal : { kind: 'failed', error });
    }
    this.#release();
  }

  #refused(refusal: Refusal): Refused {
    return this.#host.refuse(refusal, this.#isHandled ? undefined : this.path);
  }

  #end(fields: HeaderList): void {
    if (this.isOver) return;
    const all = this.#endFields === undefined ? fields : [...fields, ...this.#endFields];
    if (this.#hasHead) this.#stream.trailers(all);
    else this.#stream.headers([...plainHead, ...(this.#headFields ?? []), ...all], true);
    this.#close();
  }

  /** Nothing more is said. */
  #close(): void {
    this.#state = 'over';
    this.#reader.drop();
    this.#timer?.[Symbol.dispose]();
    this.#drained?.();
    this.#drained = undefined;
    if (!this.#isHandling) this.#release();
  }

  #giveUp(reason: unknown): void {
    this.#controller.abort(reason);
    this.#requests?.end(reason);
  }

  /** The handler has ended, or was never asked. */
  #release(): void {
    this.#isHandling = false;
    this.#stream.done();
    this.#host.ended(this);
  }
}

/** Ends a stream that is no call of ours. */
export function refuseStream(stream: Stream, answer: Status | '405' | '415' | '431'): void {
  if (typeof answer === 'string') stream.headers([{ name: ':status', value: answer }], true);
  else stream.headers([...plainHead, ...statusFields(answer)], true);
  stream.reset(errorCodes.noError);
  stream.done();
}
