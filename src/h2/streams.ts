/** The streams of one connection: those that are open, and how the last ones ended (RFC 9113 section 5.1). */
import { ConnectionError, StreamError } from './errors.ts';
import { protocolError } from './frame-rules.ts';
import { errorCodes } from './frames.ts';
import type { Stream } from './stream.ts';
import { type Ended, StreamHistory } from './stream-history.ts';

export class Streams {
  readonly #open = new Map<number, Stream>();
  readonly #history = new StreamHistory();
  #counted = 0;
  /** Bytes of answers that wait for the peer. */
  waiting = 0;

  /** Streams that are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Streams that are open, and those that are closed and still make work. */
  get counted(): number {
    return this.#counted;
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

  /** A stream is closed and its work has ended: it counts no more. */
  leave(): void {
    this.#counted--;
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
