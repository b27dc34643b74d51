/** What one call says to its caller: a head, messages, an end (PROTOCOL-HTTP2.md, Responses). */
import { errorCodes } from '../../h2/frames.ts';
import type { HeaderField, HeaderList } from '../../h2/hpack/field.ts';
import type { Stream } from '../../h2/stream.ts';
import { bytesOf, type Reply, replyOf } from '../reply.ts';
import { compressed } from './gzip.ts';
import type { Status } from './handler.ts';
import { prefixLength } from './message-reader.ts';
import { okFields, statusFields } from './status-fields.ts';

/** The head of every answer; with the messages as they are, and compressed. */
const plainHead: HeaderList = [
  { name: ':status', value: '200' },
  { name: 'content-type', value: 'application/grpc' },
  { name: 'grpc-accept-encoding', value: 'identity,gzip' },
];
const gzipHead: HeaderList = [...plainHead, { name: 'grpc-encoding', value: 'gzip' }];

export class Response {
  /** Whether the answers that follow are compressed, where the caller accepts it and the head could say so. */
  compress = false;
  readonly #stream: Stream;
  readonly #acceptsGzip: boolean;
  #headFields: HeaderField[] | undefined;
  #endFields: HeaderField[] | undefined;
  /** What the head said of the messages; undefined before it. */
  #encoding: 'gzip' | 'identity' | undefined;
  #isOver = false;

  constructor(stream: Stream, acceptsGzip: boolean) {
    this.#stream = stream;
    this.#acceptsGzip = acceptsGzip;
  }

  addHeaders(fields: HeaderList): void {
    this.#headFields = [...(this.#headFields ?? []), ...fields];
  }

  addTrailers(fields: HeaderList): void {
    this.#endFields = [...(this.#endFields ?? []), ...fields];
  }

  get #isCompressing(): boolean {
    return this.compress && this.#acceptsGzip && this.#encoding !== 'identity';
  }

  /** Sends an answer, which is disposed of; returns whether the peer has room for more. */
  send(reply: Reply): boolean | Promise<boolean> {
    return this.#isCompressing && !this.#isOver ? this.#sendCompressed(reply) : this.#sendAs(0, reply);
  }

  /** Ends a call that went well. */
  succeed(): void {
    if (this.#isOver) return;
    this.#sendHead();
    this.#end(okFields);
  }

  /** Ends a call with a status. */
  fail(status: Status): void {
    if (!this.#isOver) this.#end(statusFields(status));
  }

  /** Nothing more is said: nobody is there to hear it. */
  close(): void {
    this.#isOver = true;
  }

  async #sendCompressed(reply: Reply): Promise<boolean> {
    const plain = bytesOf(reply);
    const small = await compressed(plain).finally(() => plain.fill(0));
    return this.#sendAs(1, { ...replyOf(small), [Symbol.dispose]: () => small.fill(0) });
  }

  /** Sends an answer whose prefix says whether it is compressed. */
  #sendAs(flag: 0 | 1, reply: Reply): boolean {
    using written = reply;
    if (this.#isOver) return true;
    this.#sendHead();
    const { size } = written;
    return this.#stream.data({
      size: prefixLength + size,
      writeTo(target, at) {
        target[at] = flag;
        target.writeUInt32BE(size, at + 1);
        written.writeTo(target, at + prefixLength);
      },
    });
  }

  #sendHead(): void {
    if (this.#encoding !== undefined) return;
    this.#encoding = this.#isCompressing ? 'gzip' : 'identity';
    const head = this.#encoding === 'gzip' ? gzipHead : plainHead;
    this.#stream.headers(this.#headFields === undefined ? head : [...head, ...this.#headFields]);
  }

  #end(fields: HeaderList): void {
    this.#isOver = true;
    const all = this.#endFields === undefined ? fields : [...fields, ...this.#endFields];
    if (this.#encoding !== undefined) this.#stream.trailers(all);
    else this.#stream.headers([...plainHead, ...(this.#headFields ?? []), ...all], true);
  }
}

/** Ends a stream that is no call of ours. */
export function refuseStream(stream: Stream, answer: Status | '405' | '415' | '431'): void {
  if (typeof answer === 'string') stream.headers([{ name: ':status', value: answer }], true);
  else stream.headers([...plainHead, ...statusFields(answer)], true);
  stream.reset(errorCodes.noError);
  stream.done();
}
