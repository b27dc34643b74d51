/**
 * One stream of a connection (RFC 9113 section 5.1), from the server's side. `idle` streams have no object, and nothing
 * is ever pushed, so no stream is `reserved`.
 *
 *     open -- the request ended --> half-closed (remote) -- the answer ended --> closed
 *     open -- the answer ended --> closed, by RST_STREAM: nobody waits for the rest of the request (section 8.1)
 *     any -- RST_STREAM, either way, or the connection's end --> closed
 */
import { ownBytes } from '../base/bytes.ts';
import { StreamError } from './errors.ts';
import type { Source } from './frame-writer.ts';
import { type ErrorCode, errorCodes, max31 } from './frames.ts';
import type { HeaderList } from './hpack/field.ts';

export type StreamState = 'open' | 'half-closed (remote)' | 'closed';

/** What the owner of a stream is told. None of it may throw. */
export interface StreamUser {
  /** Bytes of the request's body, from `start` to `end`, to be used during the call only. Owes a `grant`. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** The request is whole. */
  onEnd(trailers: HeaderList | undefined): void;
  /** What waited to be sent has been written. */
  onDrained(): void;
  /** The peer has given up, or the connection ended: nothing comes any more, and nothing can be sent. */
  onReset(code: ErrorCode): void;
}

/** Where a stream sends. */
export interface Outlet {
  /** Writes a block of fields. */
  headers(stream: Stream, fields: HeaderList, isEnd: boolean): void;
  /** How many of `wanted` bytes of DATA may go out now, by the connection's window and its output. */
  room(wanted: number): number;
  /** Writes a frame of DATA; `room` has allowed it. */
  data(stream: Stream, source: Source, isEnd: boolean): void;
  reset(stream: Stream, code: ErrorCode): void;
  windowUpdate(stream: Stream, increment: number): void;
  /** The stream has something to send, and a window for it. */
  wait(stream: Stream): void;
  /** The stream has nothing more to send. */
  forget(stream: Stream): void;
}

/** Where streams are counted. */
export interface Register {
  /** So many bytes more wait for a window, or fewer. */
  hold(bytes: number): void;
  /** The stream is closed; `code` where by RST_STREAM of ours. */
  closed(stream: Stream, code: ErrorCode | undefined): void;
  /** The work for the stream has ended. */
  done(stream: Stream): void;
}

/** What a stream begins with. */
export interface StreamOptions {
  readonly outlet: Outlet;
  readonly register: Register;
  /** The request has ended with its fields. */
  readonly isWhole: boolean;
  /** What the peer takes, and may send, in bytes. */
  readonly windows: { readonly send: number; readonly receive: number };
}

/** What ends the answer once all before it has gone. */
type Ending = { readonly kind: 'data' } | { readonly kind: 'trailers'; readonly fields: HeaderList };

export class Stream {
  readonly id: number;
  readonly #outlet: Outlet;
  readonly #register: Register;
  #user: StreamUser | undefined;
  #state: StreamState = 'open';
  /** What the peer takes, and may send, in bytes. */
  #sendWindow: number;
  #receiveWindow: number;
  readonly #fullWindow: number;
  /** Taken by the user, and not yet told to the peer. */
  #owed = 0;
  /** Body that has come, and that has been announced. */
  #received = 0;
  #announced: number | undefined;
  /** Bytes that wait, in memory of their own, and where the rest of the first one begins. */
  readonly #queue: Buffer[] = [];
  #offset = 0;
  #ending: Ending | undefined;
  #isDone = false;
  /** Since when what waits has not moved, as far as somebody has looked. */
  #stalledSince: number | undefined;

  constructor(id: number, { outlet, register, isWhole, windows }: StreamOptions) {
    this.id = id;
    this.#outlet = outlet;
    this.#register = register;
    if (isWhole) this.#state = 'half-closed (remote)';
    this.#sendWindow = windows.send;
    this.#receiveWindow = windows.receive;
    this.#fullWindow = windows.receive;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Whether the work for it has ended. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Whether the request may still go on. */
  get isReceiving(): boolean {
    return this.#state === 'open';
  }

  /** Whether the answer may still go on. */
  get isSending(): boolean {
    return this.#state !== 'closed' && this.#ending === undefined;
  }

  /** Whether all that was to be sent has been written. */
  get isDrained(): boolean {
    return this.#queue.length === 0;
  }

  /** Sends fields before the body, or instead of one. */
  headers(fields: HeaderList, isEnd = false): void {
    if (!this.isSending) return;
    this.#outlet.headers(this, fields, isEnd);
    if (isEnd) this.#endLocal();
  }

  /**
   * Sends a part of the body. What the peer does not take at once waits; `onDrained` tells when it has gone. Returns
   * whether nothing waits.
   */
  data(source: Source, isEnd = false): boolean {
    if (!this.isSending) return true;
    const { size } = source;
    if (size === 0 && this.#queue.length > 0) {
      if (isEnd) this.#ending = { kind: 'data' };
      return false;
    }
    const fits = size === 0 || (size <= this.#sendWindow && this.#outlet.room(size) === size);
    if (fits && this.#queue.length === 0) {
      this.#sendWindow -= size;
      this.#outlet.data(this, source, isEnd);
      if (isEnd) this.#endLocal();
      return true;
    }
    const bytes = ownBytes(size);
    source.writeTo(bytes, 0);
    this.#queue.push(bytes);
    this.#register.hold(size);
    if (isEnd) this.#ending = { kind: 'data' };
    if (this.#sendWindow > 0) this.#outlet.wait(this);
    return false;
  }

  /** Ends the answer with fields, after all that waits. */
  trailers(fields: HeaderList): void {
    if (!this.isSending) return;
    if (this.#queue.length > 0) {
      this.#ending = { kind: 'trailers', fields };
      return;
    }
    this.#outlet.headers(this, fields, true);
    this.#endLocal();
  }

  /** Gives the stream up. */
  reset(code: ErrorCode): void {
    if (this.#state === 'closed') return;
    this.#outlet.reset(this, code);
    this.#close(code);
  }

  /** Lets the peer send as many bytes more: they have been taken. */
  grant(bytes: number): void {
    if (!this.isReceiving) return;
    this.#owed += bytes;
    if (this.#owed * 2 < this.#fullWindow) return;
    this.#receiveWindow += this.#owed;
    this.#outlet.windowUpdate(this, this.#owed);
    this.#owed = 0;
  }

  /** The work for this stream has ended. Until it is called the stream counts, whatever its state. */
  done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#register.done(this);
  }

  // What follows is for the connection.

  /** Gives the stream up where its peer has taken nothing of what waits for `stallMs`. To be called now and then. */
  check(now: number, stallMs: number): void {
    if (this.isDrained) return;
    this.#stalledSince ??= now;
    if (now - this.#stalledSince >= stallMs) this.fail(errorCodes.cancel);
  }

  begin(user: StreamUser, contentLength: number | undefined): void {
    this.#user = user;
    this.#announced = contentLength;
  }

  /** A frame of DATA with `length` bytes, of which those from `start` to `end` are the body. */
  receive(bytes: Buffer, start: number, end: number, length: number): void {
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new StreamError(errorCodes.flowControlError, 'DATA is over the window');
    this.#received += end - start;
    if (this.#announced !== undefined && this.#received > this.#announced) this.#wrongLength();
    if (length > end - start) this.grant(length - (end - start));
    if (end > start) this.#user?.onData(bytes, start, end);
  }

  /** The request is whole. */
  receiveEnd(trailers: HeaderList | undefined): void {
    if (this.#announced !== undefined && this.#received !== this.#announced) this.#wrongLength();
    if (this.#state === 'closed') return;
    this.#state = 'half-closed (remote)';
    this.#user?.onEnd(trailers);
  }

  /** The peer gave the stream up, or the connection ended. */
  receiveReset(code: ErrorCode): void {
    if (this.#state === 'closed') return;
    this.#close(undefined);
    this.#user?.onReset(code);
  }

  /** Ends the stream for a mistake of the peer. */
  fail(code: ErrorCode): void {
    if (this.#state === 'closed') return;
    this.reset(code);
    this.#user?.onReset(code);
  }

  /** The peer takes more; a change of its settings may also take away. Throws a StreamError for a window over 2^31 - 1. */
  widen(increment: number): void {
    const window = this.#sendWindow + increment;
    if (window > max31) throw new StreamError(errorCodes.flowControlError, 'the window of a stream is over 2^31 - 1');
    this.#sendWindow = window;
    if (window > 0 && this.#queue.length > 0) this.#outlet.wait(this);
  }

  /** Sends one frame of what waits; returns whether it can go on. */
  sendWaiting(largest: number): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const from = this.#offset;
    const left = first.length - from;
    const size = Math.min(this.#outlet.room(Math.min(left, largest)), this.#sendWindow);
    if (size <= 0 && left > 0) return false;
    this.#stalledSince = undefined;
    const isLast = size === left && this.#queue.length === 1;
    const isEnd = isLast && this.#ending?.kind === 'data';
    this.#sendWindow -= size;
    this.#offset += size;
    const source = { size, writeTo: (target: Buffer, at: number) => void first.copy(target, at, from, from + size) };
    this.#outlet.data(this, source, isEnd);
    if (size === left) {
      first.fill(0);
      this.#queue.shift();
      this.#register.hold(-left - from);
      this.#offset = 0;
    }
    if (!isLast) return this.#sendWindow > 0;
    this.#sendEnding(isEnd);
    return false;
  }

  #sendEnding(isEnd: boolean): void {
    if (this.#ending?.kind === 'trailers') this.#outlet.headers(this, this.#ending.fields, true);
    if (isEnd || this.#ending !== undefined) this.#endLocal();
    this.#user?.onDrained();
  }

  #endLocal(): void {
    if (this.#state === 'open') this.reset(errorCodes.noError);
    else this.#close(undefined);
  }

  #close(code: ErrorCode | undefined): void {
    this.#state = 'closed';
    for (const bytes of this.#queue) {
      bytes.fill(0);
      this.#register.hold(-bytes.length);
    }
    this.#queue.length = 0;
    this.#outlet.forget(this);
    this.#register.closed(this, code);
  }

  #wrongLength(): never {
    throw new StreamError(errorCodes.protocolError, 'the body is not as long as content-length says');
  }
}
