/**
 * What has come on one connection and waits to be read: a connection is served for a moment, and then it is the turn of
 * the others, however much its peer has sent. A read of the socket is up to 64 KiB, and the event loop makes up to 32 of
 * them in a row for each socket, which can be seconds of work.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { laterTurn } from './turns.ts';

export interface InboxOptions {
  readonly clock: Clock;
  /** How long the connection is served in one turn, in milliseconds. */
  readonly turnMs: number;
  /** Reads a chunk from `at` on for as long as `mayGoOn`; returns how far it came. Must not throw. */
  readonly read: (chunk: Buffer, at: number, now: number) => number;
  /** Whether nothing more should be taken from the socket, whosever turn it is. */
  readonly isOverfull: () => boolean;
}

/** Streams that are begun at once: what their handlers do shows in the time only afterwards. */
const maxBegun = 8;
/** Frames after which the time is looked at, and bytes that count as much as a frame. */
const [framesPerLook, bytesPerFrame] = [8, 512];

export class Inbox {
  readonly #socket: Socket;
  readonly #options: InboxOptions;
  #chunks: Buffer[] = [];
  /** Where the rest of the first chunk begins. */
  #at = 0;
  #turnEnd = 0;
  /** It is the turn of the others. */
  #isWaiting = false;
  #isClosed = false;
  #begun = 0;
  #frames = 0;

  constructor(socket: Socket, options: InboxOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  take(chunk: Buffer, now: number): void {
    if (this.#isClosed) return;
    this.#chunks.push(chunk);
    if (this.#chunks.length === 1 && !this.#isWaiting) this.#read(now);
  }

  /** A stream has begun. */
  begun(): void {
    this.#begun++;
  }

  /** Whether another frame may be read at once, after one of `length` bytes. */
  mayGoOn(length: number): boolean {
    if (this.#begun >= maxBegun) return false;
    this.#frames += 1 + length / bytesPerFrame;
    if (this.#frames < framesPerLook) return true;
    this.#frames = 0;
    return this.#options.clock.monotonic() < this.#turnEnd;
  }

  /** To be called when output has gone. */
  regulate(): void {
    if (this.#isClosed) return;
    if (this.#isWaiting || this.#options.isOverfull()) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Reads nothing more, what has come included. */
  close(): void {
    this.#isClosed = true;
    this.#chunks = [];
  }

  #read(now: number): void {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return;
    if (now >= this.#turnEnd) this.#turnEnd = now + this.#options.turnMs;
    this.#begun = 0;
    this.#frames = 0;
    this.#at = this.#options.read(chunk, this.#at, now);
    if (this.#isClosed) return;
    if (this.#at === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
    this.regulate();
    if (this.#begun > 0 || this.#chunks.length > 0) this.#readSoon();
  }

  /** What handlers do without waiting for anything comes first, and counts: ticks go on when all microtasks are done. */
  #readSoon(): void {
    queueMicrotask(() => process.nextTick(() => this.#readOn()));
  }

  #readOn(): void {
    const now = this.#options.clock.monotonic();
    if (now < this.#turnEnd) this.#read(now);
    else if (!this.#isWaiting) {
      this.#isWaiting = true;
      this.regulate();
      laterTurn(() => this.#onTurn());
    }
  }

  #onTurn(): void {
    this.#isWaiting = false;
    if (this.#chunks.length > 0) this.#read(this.#options.clock.monotonic());
    else this.regulate();
  }
}
