/** One gRPC call on a stream of HTTP/2: from its head to its end. */
import type { Caller } from '../../base/caller.ts';
import type { Timer } from '../../base/clock.ts';
import { type ErrorCode, errorCodes } from '../../h2/frames.ts';
import type { HeaderList } from '../../h2/hpack/field.ts';
import type { RequestHead } from '../../h2/request.ts';
import type { Stream, StreamUser } from '../../h2/stream.ts';
import type { Reply } from '../reply.ts';
import { whileWanted } from '../wanted.ts';
import type { CallHead } from './call-head.ts';
import { decompressed, UnusableMessage } from './gzip.ts';
import { type Handler, type Refusal, type Refused, type ServerCall, type Status, StatusError } from './handler.ts';
import { MessageReader } from './message-reader.ts';
import { costOfOne, Requests } from './requests.ts';
import { Response } from './response.ts';
import type { Share } from './share.ts';

/** What a call needs of its server. */
export interface CallHost {
  readonly caller: Caller;
  readonly maxMessageBytes: number;
  /** Of the connection that the call came on. */
  readonly held: Share;
  /** `path` is that of the method where its handler does not know of the call. */
  readonly refuse: (refusal: Refusal, path: string | undefined) => Refused;
  /** Has the call `work` as soon as it may. */
  ready(call: Call): void;
  /** Has the call `expire` after this time, unless it ends in the same turn. */
  deadline(call: Call, milliseconds: number): void;
  /** The call is over and its handler has ended. */
  ended(call: Call): void;
}

/** What a call does. */
export type CallState =
  /** Its request comes. */
  | 'receiving'
  /** It waits for its turn; the requests of a stream may still come. */
  | 'ready'
  /** Its handler works; the requests of a stream may still come. */
  | 'working'
  /** Its end has been said, or nobody is there to hear it. */
  | 'over';

/** Who works for a call, over or not. */
type Worker = 'nobody' | 'decompression' | 'handler';

export class Call implements StreamUser, ServerCall {
  readonly path: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly handler: Handler;
  #requestWasCompressed: boolean | undefined;
  readonly #stream: Stream;
  readonly #head: Extract<CallHead, { kind: 'call' }>;
  readonly #host: CallHost;
  readonly #reader: MessageReader;
  readonly #controller = new AbortController();
  #state: CallState = 'receiving';
  /** The one message of a unary call, which may have to be decompressed; the queue of a stream. */
  #request: Buffer | (() => Promise<Buffer>) | undefined;
  readonly #requests: Requests | undefined;
  #worker: Worker = 'nobody';
  #timer: Timer | undefined;
  readonly #response: Response;
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
    this.#response = new Response(stream, head.acceptsGzip);
    this.#reader = new MessageReader({
      maxMessageBytes: host.maxMessageBytes,
      held: host.held,
      onMessage: (message, isCompressed) => this.#onMessage(message, isCompressed),
    });
    const isMany = handler.kind === 'client_stream' || handler.kind === 'bidi_stream';
    this.#requests = isMany
      ? new Requests({ grant: (bytes) => stream.grant(bytes), onTaken: (bytes) => this.#reader.letGo(bytes) })
      : undefined;
    if (head.timeoutMs !== undefined) host.deadline(this, head.timeoutMs);
    if (this.#requests !== undefined) this.#getReady();
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

  /** Whether the peer has taken all that was said. */
  get isTold(): boolean {
    return this.#stream.isDrained;
  }

  get compress(): boolean {
    return this.#response.compress;
  }

  set compress(value: boolean) {
    this.#response.compress = value;
  }

  addHeaders(fields: HeaderList): void {
    this.#response.addHeaders(fields);
  }

  addTrailers(fields: HeaderList): void {
    this.#response.addTrailers(fields);
  }

  /** Runs out of time by `timer`, which ends with the call. */
  runOutBy(timer: Timer): void {
    this.#timer = timer;
  }

  /** The call's time is over. A peer that does not take what it was sent would not hear of it either. */
  expire(): void {
    this.refuse({ kind: 'deadline' });
    if (!this.#stream.isDrained) this.#stream.reset(errorCodes.cancel);
  }

  /** Ends the call with a reason of the server's, and tells its handler. */
  refuse(refusal: Refusal): void {
    if (this.isOver) return;
    const { status, reason } = this.#refused(refusal);
    this.#fail(status, reason);
  }

  /** Asks the handler to end the call with this error; a call that it was not asked for ends at once. */
  abort(error: unknown): void {
    if (this.#worker === 'nobody') this.#failWith(error);
    else this.#giveUp(error);
    this.onDrained();
  }

  /** Lets the handler work, unless the call is over. */
  work(): void {
    const request = this.#requests ?? this.#request;
    this.#request = undefined;
    if (this.#state !== 'ready' || request === undefined) return;
    this.#state = 'working';
    if (typeof request !== 'function') {
      this.#handle(request);
      return;
    }
    this.#worker = 'decompression';
    request().then(
      (message) => this.#handle(message),
      () => this.#release(),
    );
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
    else this.#getReady();
  }

  onDrained(): void {
    this.#drained?.();
    this.#drained = undefined;
    if (this.isOver) this.#timer?.[Symbol.dispose]();
  }

  onReset(_code: ErrorCode): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#state === 'over') return;
    const { reason } = this.#refused({ kind: 'cancelled' });
    this.#close();
    this.#giveUp(reason);
  }

  #onMessage(bytes: Buffer, isCompressed: boolean): void {
    if (this.isOver) return;
    if (isCompressed && this.#head.encoding === 'identity') {
      this.refuse({ kind: 'malformed', what: 'a message is compressed, and grpc-encoding does not say how' });
      return;
    }
    this.#requestWasCompressed ??= isCompressed;
    const message = isCompressed ? () => this.#decompressed(bytes) : bytes;
    if (this.#requests !== undefined) {
      if (this.#reader.hold(costOfOne)) this.#requests.push(message, bytes.length);
      else this.refuse({ kind: 'too much at once' });
    } else if (this.#request === undefined) this.#request = message;
    else this.refuse({ kind: 'malformed', what: 'the request has more than one message' });
  }

  /** Decompresses a message, or ends the call; rejects with the reason then. */
  async #decompressed(bytes: Buffer): Promise<Buffer> {
    try {
      const message = await decompressed(bytes, { limit: this.#host.maxMessageBytes, isWanted: () => !this.isOver });
      const isCounted = this.#requests === undefined && !this.isOver;
      const isTooMuch = isCounted && !this.#reader.hold(message.length);
      if (isTooMuch) throw new UnusableMessage({ kind: 'too much at once' });
      return message;
    } catch (error) {
      this.#failWith(error);
      throw this.signal.reason;
    }
  }

  #getReady(): void {
    this.#state = 'ready';
    this.#host.ready(this);
  }

  #handle(request: Buffer | Requests): void {
    if (this.isOver) {
      this.#release();
      return;
    }
    const { handler } = this;
    this.#worker = 'handler';
    // `Requests` is there for the two kinds that take many, and for no other.
    const [one, many] = [request as Buffer, request as Requests];
    try {
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
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  #answer(answer: Promise<Reply>): void {
    answer.then(
      (reply) => this.#finish(reply),
      (error) => this.#handlerFailed(error),
    );
  }

  #finish(reply: Reply): void {
    try {
      const sent = this.#response.send(reply);
      if (!(sent instanceof Promise)) this.#succeed();
      else
        sent.then(
          () => this.#succeed(),
          (error) => this.#handlerFailed(error),
        );
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  async #answerAll(answers: AsyncIterable<Reply>): Promise<void> {
    try {
      for await (const reply of whileWanted(answers, this.signal)) {
        const hasRoom = await this.#response.send(reply);
        if (!hasRoom && !this.isOver) await new Promise<void>((done) => (this.#drained = done));
      }
      // A method may end its answers because the caller has gone: that is no success.
      this.signal.throwIfAborted();
      this.#succeed();
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  #succeed(): void {
    this.#response.succeed();
    this.#close();
    this.#release();
  }

  #handlerFailed(error: unknown): void {
    this.#failWith(error);
    this.#release();
  }

  /** Ends the call for what a handler threw, or its message was. */
  #failWith(error: unknown): void {
    if (error instanceof StatusError) this.#fail(error.status, error);
    else this.refuse(error instanceof UnusableMessage ? error.refusal : { kind: 'failed', error });
  }

  /** Ends the call with a status, and tells its handler why. */
  #fail(status: Status, reason: unknown): void {
    if (this.isOver) return;
    this.#response.fail(status);
    this.#close();
    this.#giveUp(reason);
  }

  #refused(refusal: Refusal): Refused {
    return this.#host.refuse(refusal, this.#worker === 'handler' ? undefined : this.path);
  }

  /** Nothing more is said. */
  #close(): void {
    if (this.isOver) return;
    this.#state = 'over';
    this.#response.close();
    this.#reader.drop();
    // Until the peer has taken the answer the deadline still counts.
    if (this.#stream.isDrained) this.#timer?.[Symbol.dispose]();
    this.#drained?.();
    this.#drained = undefined;
    if (this.#worker === 'nobody') this.#release();
  }

  #giveUp(reason: unknown): void {
    this.#controller.abort(reason);
    this.#requests?.end(reason);
  }

  /** The handler has ended, or was never asked. */
  #release(): void {
    this.#worker = 'nobody';
    this.#reader.letGo();
    this.#stream.done();
    this.#host.ended(this);
  }
}
