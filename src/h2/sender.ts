/** What goes to the peer: frames, within the peer's windows and settings (RFC 9113 sections 5.2 and 6.9). */
import type { Socket } from 'node:net';
import type { Allowances } from './allowances.ts';
import { ConnectionError } from './errors.ts';
import { FrameWriter, type Source } from './frame-writer.ts';
import { defaultWindow, type ErrorCode, errorCodes, max31 } from './frames.ts';
import { HeaderEncoder } from './hpack/encoder.ts';
import type { HeaderList } from './hpack/field.ts';
import type { Limits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { applySettings, initialPeerSettings, type PeerSettings } from './settings.ts';
import type { Outlet, Stream } from './stream.ts';

/** In bytes. */
const largestFrame = 65_536;

/** A part of a body from which on a peer may well widen a window for it, in bytes. */
const worthAWindow = 1_024;

export interface SenderOptions {
  readonly limits: Limits;
  readonly allowances: Allowances;
  /** Called after each write that the kernel has taken. */
  readonly onWritten: () => void;
}

export class Sender implements Outlet {
  readonly outbox: Outbox;
  readonly writer: FrameWriter;
  readonly #limits: Limits;
  readonly #allowances: Allowances;
  readonly #encoder: HeaderEncoder;
  readonly #peer = initialPeerSettings();
  /** Streams with something to send and a window of their own; the first one is next. */
  readonly #ready = new Set<Stream>();
  #window = defaultWindow;
  /** The last stream that the peer was told to be taken. */
  #lastTaken = max31;
  #isOver = false;

  constructor(socket: Socket, { limits, allowances, onWritten }: SenderOptions) {
    this.#limits = limits;
    this.#allowances = allowances;
    this.outbox = new Outbox(socket, onWritten);
    this.writer = new FrameWriter(this.outbox);
    this.#encoder = new HeaderEncoder({ maxTableSize: limits.headerTableBytes });
  }

  /** What the peer has asked of us. */
  get peer(): Readonly<PeerSettings> {
    return this.#peer;
  }

  /** Whether more may be written: where not, nothing more should be read from the peer either. */
  get hasRoom(): boolean {
    return this.outbox.waiting <= this.#limits.maxOutput;
  }

  /** The largest frame that goes out, in bytes. A peer may allow more, but a write must not take it for ever. */
  get maxFrame(): number {
    return Math.min(this.#peer.maxFrameSize, largestFrame);
  }

  /** The peer is told that streams up to `last` are taken, and never a higher one than before (section 6.8). */
  goAway(last: number, code: ErrorCode, message: string): void {
    this.#lastTaken = Math.min(this.#lastTaken, last);
    this.writer.goAway(this.#lastTaken, code, message);
  }

  /** Sends what has gathered and nothing after it, then ends the socket and calls `ended`. */
  end(ended: () => void): void {
    this.#isOver = true;
    this.#ready.clear();
    this.outbox.end(ended);
  }

  /** Takes over the peer's SETTINGS; returns by how much the window of every stream changes. */
  settings(payload: Buffer): number {
    const before = this.#peer.initialWindowSize;
    applySettings(this.#peer, payload, (size) => this.#encoder.setMaxTableSize(size));
    this.writer.settingsAck();
    return this.#peer.initialWindowSize - before;
  }

  /** The peer takes so many bytes more, over all streams. */
  widen(increment: number): void {
    this.#window += increment;
    if (this.#window > max31) {
      throw new ConnectionError(errorCodes.flowControlError, 'the window of the connection is over 2^31 - 1');
    }
  }

  headers(stream: Stream, fields: HeaderList, isEnd: boolean): void {
    this.#allowances.answered();
    this.writer.headers(stream.id, this.#encoder.encode(fields), { isEnd, maxFrame: this.maxFrame });
  }

  room(wanted: number): number {
    return this.hasRoom && !this.#isOver ? Math.min(wanted, this.#window, this.maxFrame) : 0;
  }

  data(stream: Stream, source: Source, isEnd: boolean): void {
    this.#allowances.answered();
    if (stream.isDrained || source.size >= worthAWindow) this.#allowances.earn();
    this.#window -= source.size;
    this.writer.data(stream.id, source, isEnd);
  }

  reset(stream: Stream, code: ErrorCode): void {
    this.writer.rstStream(stream.id, code);
  }

  windowUpdate(stream: Stream, increment: number): void {
    this.writer.windowUpdate(stream.id, increment);
  }

  /** A stream has something to send. It goes out with the turn, unless the peer or the socket must make room first. */
  wait(stream: Stream): void {
    if (this.#isOver) return;
    if (this.#ready.size === 0) setImmediate(() => this.pump());
    this.#ready.add(stream);
  }

  forget(stream: Stream): void {
    this.#ready.delete(stream);
  }

  /** Sends what waits, a frame of each stream in turn, as long as the peer and the socket take it. */
  pump(): void {
    for (const stream of this.#ready) {
      if (this.room(1) === 0) return;
      this.#ready.delete(stream);
      if (stream.sendWaiting(this.maxFrame)) this.#ready.add(stream);
    }
  }
}
