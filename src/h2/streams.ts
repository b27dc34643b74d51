/** The streams of one connection: those that are open, and how the last ones ended (RFC 9113 section 5.1). */
import type { Clock } from '../base/clock.ts';
import { ConnectionError, StreamError } from './errors.ts';
import { protocolError } from './frame-rules.ts';
import { type ErrorCode, errorCodes } from './frames.ts';
import type { Register, Stream } from './stream.ts';
import { type Ended, StreamHistory } from './stream-history.ts';
import { laterTurn } from './turns.ts';

export interface StreamsOptions {
  readonly clock: Clock;
  /** The time of the beginning, on the monotonic clock. */
  readonly now: number;
  /** So many bytes more of answers wait for the peer to make room, or fewer. */
  readonly onHeld?: ((bytes: number) => void) | undefined;
  /** The last one that was open is closed. */
  readonly onEmpty: () => void;
}

/** Streams that are given up in one turn. */
const atOnce = 64;

export class Streams implements Register {
  readonly #options: StreamsOptions;
  readonly #open = new Map<number, Stream>();
  readonly #history = new StreamHistory();
  #counted = 0;
  #waiting = 0;
  #emptySince: number;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#emptySince = options.now;
  }

  /** Streams that are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Streams that are open, and those that are closed and still make work. */
  get counted(): number {
    return this.#counted;
  }

  /** Bytes of answers that wait for the peer. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Since when none has been open, on the monotonic clock; undefined while one counts. */
  get idleSince(): number | undefined {
    return this.#counted === 0 ? this.#emptySince : undefined;
  }

  /** The highest number that the peer has used. */
  get last(): number {
    return this.#history.last;
  }

  /** A copy: streams may end while somebody goes through it. */
  all(): Stream[] {
    return [...this.#open.values()];
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  /** The peer begins stream `id`, taken or not. */
  begin(id: number): void {
    this.#history.begin(id);
  }

  add(stream: Stream): void {
    this.#open.set(stream.id, stream);
    this.#counted++;
  }

  /** Stream `id` is closed. */
  end(id: number, how: Ended): void {
    this.#open.delete(id);
    this.#history.end(id, how);
  }

  hold(bytes: number): void {
    this.#waiting += bytes;
    this.#options.onHeld?.(bytes);
  }

  closed(stream: Stream, code: ErrorCode | undefined): void {
    if (stream.isDone) this.#counted--;
    this.end(stream.id, code === undefined ? 'ended' : 'reset by us');
    if (this.#open.size > 0) return;
    this.#emptySince = this.#options.clock.monotonic();
    this.#options.onEmpty();
  }

  done(stream: Stream): void {
    if (stream.state === 'closed') this.#counted--;
  }

  /** Gives up those whose peer has taken nothing of what waits for `stallMs`: a data key must not wait for ever. */
  check(now: number, stallMs: number): void {
    for (const stream of this.all()) stream.check(now, stallMs);
  }

  /** The connection ends, and all of them with it; some at a time, for there may be thousands. */
  giveUp(code: ErrorCode, streams = this.all()): void {
    for (const stream of streams.splice(-atOnce)) stream.receiveReset(code);
    if (streams.length > 0) laterTurn(() => this.giveUp(code, streams));
  }

  /** Nothing but HEADERS and PRIORITY may come for a stream that is idle. */
  expectBegun(id: number): void {
    if (!this.hasBegun(id)) throw protocolError('the stream has not begun');
  }

  hasBegun(id: number): boolean {
    return id <= this.#history.last && id % 2 === 1;
  }

  /**
   * DATA or HEADERS for a stream that takes none. Throws what the RFC has for it; returns where the peer may not know
   * yet that the stream is closed.
   */
  late(id: number): void {
    if (this.#open.has(id)) throw new StreamError(errorCodes.streamClosed, 'the request has ended');
    this.expectBegun(id);
    switch (this.#history.of(id)) {
      case 'skipped':
        throw protocolError('a stream has a lower number than one before');
      case 'ended':
        throw new ConnectionError(errorCodes.streamClosed, 'the stream has ended');
      case 'reset by peer':
        throw new StreamError(errorCodes.streamClosed, 'the stream was reset');
      case 'reset by us':
        return;
    }
  }
}
