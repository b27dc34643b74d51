/** What frames of the peer mean for its streams: requests begin, go on and end (RFC 9113 sections 5.1, 6 and 8.1). */
import type { Allowances } from './allowances.ts';
import { ConnectionError, StreamError } from './errors.ts';
import type { FieldBlock } from './field-blocks.ts';
import { unpadded } from './frame-rules.ts';
import { type ErrorCode, errorCodes, flags } from './frames.ts';
import type { Limits } from './limits.ts';
import { type RequestHead, requestHead, trailerFields } from './request.ts';
import type { Sender } from './sender.ts';
import { Stream, type StreamUser } from './stream.ts';
import type { Streams } from './streams.ts';

/** Takes a request. Must not throw; `isEnd` says that it has no body. */
export type OnStream = (stream: Stream, head: RequestHead, isEnd: boolean) => StreamUser;

/** Who is told of requests. */
export interface RequestOptions {
  readonly onStream: OnStream;
  /** A request whose fields are more than `maxHeaderListBytes`: gets its answer without a look at it. */
  readonly onTooLarge: (stream: Stream) => void;
}

/** What the beginning of a stream needs of its connection. */
export interface Entrance {
  /** Whether nothing new is taken any more. */
  readonly isLeaving: boolean;
  /** A stream has begun, be it taken or refused. */
  begun(): void;
}

export interface StreamFramesOptions extends RequestOptions {
  readonly limits: Limits;
  readonly allowances: Allowances;
  readonly sender: Sender;
  readonly streams: Streams;
  readonly entrance: Entrance;
}

/** Each of its methods takes a frame, or a block of fields; they throw what `errors.ts` has for a peer's mistake. */
export class StreamFrames {
  readonly #options: StreamFramesOptions;
  readonly #allowances: Allowances;
  readonly #streams: Streams;

  constructor(options: StreamFramesOptions) {
    this.#options = options;
    this.#allowances = options.allowances;
    this.#streams = options.streams;
  }

  /** Section 6.1: DATA, of which `start` and `end` are the payload with its padding. */
  data(flag: number, id: number, bytes: Buffer, start: number, end: number): void {
    const [from, to] = unpadded(flag, bytes, start, end);
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.isReceiving) {
      this.#onLate(id);
      return;
    }
    const isEnd = (flag & flags.endStream) !== 0;
    if (from === to && !isEnd) this.#allowances.idle('too many empty frames');
    stream.receive(bytes, from, to, end - start);
    if (isEnd && stream.isReceiving) stream.receiveEnd(undefined);
  }

  /** Section 8.1: fields begin a request, or end it. */
  fields(block: FieldBlock): void {
    const { id, isEnd, decoded } = block;
    // A byte may stand for thousands.
    if (decoded.isTooLarge) this.#allowances.idle('too many fields that are too large', decoded.size >> 12);
    if (id > this.#streams.last) {
      this.#begin(block);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.isReceiving) {
      this.#onLate(id);
      return;
    }
    if (!isEnd) throw new StreamError(errorCodes.protocolError, 'fields in the middle of a body');
    if (decoded.isTooLarge) throw new StreamError(errorCodes.enhanceYourCalm, 'the trailers are too large');
    stream.receiveEnd(trailerFields(decoded));
  }

  /** Section 6.4: RST_STREAM. */
  reset(id: number, code: number): void {
    this.#streams.expectBegun(id);
    this.#allowances.reset();
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.receiveReset(codeOf(code));
    this.#streams.end(id, 'reset by peer');
  }

  /** Section 6.9: WINDOW_UPDATE of one stream. */
  widen(id: number, increment: number): void {
    this.#streams.expectBegun(id);
    if (increment === 0) throw new StreamError(errorCodes.protocolError, 'a window grows by nothing');
    this.#streams.get(id)?.widen(increment);
  }

  /** Section 6.9.2: SETTINGS that change the window of every stream, up or down. */
  widenAll(change: number): void {
    // Each stream is told, and no answer of ours makes up for that.
    this.#allowances.idle('too many SETTINGS frames', this.#streams.count >> 5);
    try {
      for (const stream of this.#streams.all()) stream.widen(change);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      throw new ConnectionError(errorCodes.flowControlError, error.message);
    }
  }

  /** A peer's mistake about one stream; one that was never begun, or has ended, is told all the same. */
  fail(id: number, code: ErrorCode): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      stream.fail(code);
      // A peer that makes us reset does what a peer does that resets itself.
      this.#allowances.reset();
      return;
    }
    this.#options.sender.writer.rstStream(id, code);
    if (this.#streams.hasBegun(id)) this.#streams.end(id, 'reset by us');
    this.#allowances.idle('too many mistakes');
  }

  #begin({ id, isEnd, decoded }: FieldBlock): void {
    const { limits, sender, entrance, onStream, onTooLarge } = this.#options;
    this.#streams.begin(id);
    entrance.begun();
    if (this.#streams.counted >= limits.maxStreams || entrance.isLeaving) {
      // No error is thrown: making one costs more than the refusal.
      this.fail(id, errorCodes.refusedStream);
      return;
    }
    const head = decoded.isTooLarge ? undefined : requestHead(decoded);
    const windows = { send: sender.peer.initialWindowSize, receive: limits.streamWindow };
    const stream = new Stream(id, { outlet: sender, register: this.#streams, isWhole: isEnd, windows });
    this.#streams.add(stream);
    if (head === undefined) {
      onTooLarge(stream);
      stream.reset(errorCodes.noError);
      stream.done();
      return;
    }
    stream.begin(onStream(stream, head, isEnd), head.contentLength);
    if (isEnd) stream.receiveEnd(undefined);
  }

  #onLate(id: number): void {
    this.#streams.late(id);
    this.#allowances.idle('too many frames for streams that were reset');
  }
}

/** An unknown code means what INTERNAL_ERROR means (section 7). */
function codeOf(value: number): ErrorCode {
  return Object.values(errorCodes).find((code) => code === value) ?? errorCodes.internalError;
}
