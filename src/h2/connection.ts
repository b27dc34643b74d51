/**
 * The server's half of one HTTP/2 connection over a socket (RFC 9113), with prior knowledge and without TLS. It knows
 * streams of fields and bytes, and neither what they mean nor who sends them. Here is its course, from the greeting to
 * the end of the socket; what frames mean is in `receiver.ts`, and what is sent goes through `sender.ts`.
 *
 *     greeting                -- #onFrame: SETTINGS has come -----------------------> open
 *     open                    -- goAway: the server wants it, or the age -----------> warned
 *     greeting, open, warned  -- leave ---------------------------------------------> leaving
 *     leaving                 -- #onEmpty: no stream is open any more --------------> ending
 *     any of these            -- #fail: a mistake of the peer, or a failure of ours > ending
 *     any of these            -- #onEnd: the peer has ended its half of the socket -> ending
 *     any                     -- #onClose: the socket is closed --------------------> closed
 *
 * It leaves where the PING of its warning comes back, or does not come back in time; where the peer sends GOAWAY; where
 * its place is needed; and where it should go away before it is greeted.
 *
 * Left out, since no gRPC client needs it: CONNECT, the upgrade from HTTP/1.1, push, and priorities (deprecated by
 * RFC 9113 section 5.3.2).
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { Age } from './age.ts';
import { Allowances } from './allowances.ts';
import { ConnectionError } from './errors.ts';
import { FrameReader } from './frame-reader.ts';
import { checkFirstFrame } from './frame-rules.ts';
import { errorCodes, max31 } from './frames.ts';
import { Inbox } from './inbox.ts';
import type { Limits } from './limits.ts';
import { Pulse } from './pulse.ts';
import { type Course, Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { type Entrance, type RequestOptions, StreamFrames } from './stream-frames.ts';
import { Streams } from './streams.ts';

export interface ConnectionOptions extends RequestOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  /** From 0 to 1. */
  readonly random: () => number;
  /** What came together has been read, or something of what waited has gone. Must not throw. */
  readonly onPause?: () => void;
  /** So many bytes more of answers wait for the peer to make room, or fewer. */
  readonly onHeld?: (bytes: number) => void;
  /** Told once, when the connection is closed. */
  readonly onClosed?: () => void;
  /** Told of a failure that is our own. */
  readonly onFailure?: (error: unknown) => void;
}

type State =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'open' }
  /** The first GOAWAY is out; streams that were on their way are still taken. */
  | { readonly kind: 'warned'; readonly since: number }
  /** The second GOAWAY is out; new streams are refused. */
  | { readonly kind: 'leaving' }
  /** Nothing is read any more; `since`: the last word is out. */
  | { readonly kind: 'ending'; readonly since: number | undefined }
  | { readonly kind: 'closed' };

/** What the PING carries that asks for the end of what was on its way. */
const leavingMark = Buffer.from('leaving\0', 'latin1');

/** Time for a peer to read our last word, in milliseconds. */
const lastWordMs = 1_000;

export class Connection implements Course, Entrance {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #inbox: Inbox;
  readonly #sender: Sender;
  readonly #streams: Streams;
  readonly #receiver: Receiver;
  readonly #age: Age;
  readonly #pulse: Pulse;
  #state: State = { kind: 'greeting' };

  constructor(socket: Socket, options: ConnectionOptions) {
    const { clock, limits, random, onStream, onTooLarge, onHeld } = options;
    const now = clock.monotonic();
    this.#socket = socket;
    this.#options = options;
    this.#age = new Age(limits, { now, random });
    this.#reader = new FrameReader((...frame) => this.#onFrame(...frame));
    this.#inbox = new Inbox(socket, {
      clock,
      turnMs: limits.turnMs,
      read: (chunk, at, time) => this.#read(chunk, at, time),
      isOverfull: () => !this.#sender.hasRoom,
    });
    const allowances = new Allowances(now);
    const sender = new Sender(socket, { limits, allowances, onWritten: () => this.#onWritten() });
    const streams = new Streams({ clock, now, onHeld, onEmpty: () => this.#onEmpty() });
    const parts = { limits, allowances, sender };
    const streamFrames = new StreamFrames({ ...parts, streams, onStream, onTooLarge, entrance: this });
    this.#receiver = new Receiver({ ...parts, streamFrames, course: this });
    this.#pulse = new Pulse({ limits, sender, streams, now });
    this.#sender = sender;
    this.#streams = streams;
    socket.on('data', (chunk: Buffer) => this.#onChunk(chunk));
    socket.on('error', () => {});
    socket.once('end', () => this.#onEnd());
    socket.once('close', () => this.#onClose());
  }

  /** Streams that are open. */
  get openStreams(): number {
    return this.#streams.count;
  }

  /** Since when it has done nothing, by the monotonic clock; undefined where it does something, or goes already. */
  get idleSince(): number | undefined {
    const { kind } = this.#state;
    return kind === 'greeting' || kind === 'open' || kind === 'warned' ? this.#streams.idleSince : undefined;
  }

  /** Lets the peer go: it is told to begin nothing new here, and the connection ends with the last stream. */
  goAway(): void {
    if (this.#state.kind === 'greeting') this.leave();
    if (this.#state.kind !== 'open') return;
    this.#state = { kind: 'warned', since: this.#options.clock.monotonic() };
    this.#sender.goAway(max31, errorCodes.noError, '');
    this.#sender.writer.ping(leavingMark, false);
  }

  /** Lets the peer go without a warning: what it begins is refused. Ends at once where no stream is open. */
  leave(): void {
    const { kind } = this.#state;
    if (kind === 'leaving' || kind === 'ending' || kind === 'closed') return;
    this.#sender.goAway(this.#streams.last, errorCodes.noError, '');
    this.#state = { kind: 'leaving' };
    if (this.#streams.count === 0) this.#onEmpty();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends what has taken too long. To be called about once a second. */
  check(): void {
    const now = this.#options.clock.monotonic();
    const { handshakeMs, pingMs } = this.#options.limits;
    const state = this.#state;
    switch (state.kind) {
      case 'greeting':
        if (this.#age.at(now) >= handshakeMs) this.destroy();
        return;
      case 'open':
        if (this.#age.isOver(now, this.#streams.idleSince)) this.goAway();
        break;
      case 'warned':
        if (now - state.since >= pingMs) this.leave();
        break;
      case 'leaving':
        break;
      case 'ending':
        if (now - (state.since ?? now) >= lastWordMs || this.#pulse.isDead(now)) this.destroy();
        return;
      case 'closed':
        return;
    }
    this.#checkPeer(now);
  }

  #checkPeer(now: number): void {
    const overdue = this.#receiver.overdue(now);
    if (overdue !== undefined) this.#fail(overdue);
    else if (this.#pulse.isDead(now)) this.destroy();
    if (this.#streams.waiting === 0) return;
    this.#streams.check(now, this.#options.limits.stallMs);
    this.#options.onPause?.();
  }

  #onChunk(chunk: Buffer): void {
    const { kind } = this.#state;
    if (kind === 'ending' || kind === 'closed') return;
    const now = this.#options.clock.monotonic();
    this.#pulse.heard(now);
    this.#inbox.take(chunk, now);
  }

  #read(chunk: Buffer, at: number, now: number): number {
    this.#receiver.at(now);
    try {
      const end = this.#reader.read(chunk, at);
      this.#options.onPause?.();
      this.#sender.pump();
      return end;
    } catch (error) {
      this.#fail(error);
      return chunk.length;
    }
  }

  #onFrame(type: number, flag: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (this.#state.kind === 'ending') return true;
    if (this.#state.kind === 'greeting') {
      checkFirstFrame(type, flag);
      this.#state = { kind: 'open' };
    }
    this.#receiver.take(type, flag, id, bytes, start, end);
    return this.#inbox.mayGoOn(end - start);
  }

  #onWritten(): void {
    this.#pulse.taken();
    if (this.#state.kind === 'closed') return;
    this.#sender.pump();
    this.#options.onPause?.();
    this.#inbox.regulate();
  }

  // What frames ask for.

  get isLeaving(): boolean {
    return this.#state.kind === 'leaving';
  }

  begun(): void {
    this.#inbox.begun();
  }

  /** All that was on its way when the peer was warned has come. */
  pong(payload: Buffer): void {
    if (this.#state.kind === 'warned' && payload.equals(leavingMark)) this.leave();
  }

  // The end.

  #onEmpty(): void {
    if (this.#state.kind === 'leaving') this.#close(undefined);
  }

  /** The end for a mistake of the peer, or a failure of our own: the last word, and all streams are given up. */
  #fail(error: unknown): void {
    const isOfPeer = error instanceof ConnectionError;
    if (!isOfPeer) this.#options.onFailure?.(error);
    if (this.#state.kind === 'closed' || this.#state.kind === 'ending') return;
    const { code, message } = isOfPeer ? error : { code: errorCodes.internalError, message: 'the server failed' };
    this.#sender.goAway(this.#streams.last, code, message);
    this.#close(this.#options.clock.monotonic());
    this.#streams.giveUp(code);
  }

  /** Sends what has gathered, and nothing after it; with `since` it has no time to lose. */
  #close(since: number | undefined): void {
    this.#state = { kind: 'ending', since };
    this.#receiver.drop();
    this.#inbox.close();
    this.#reader.wipe();
    this.#sender.end(() => {
      if (this.#state.kind !== 'ending') return;
      this.#state = { kind: 'ending', since: since ?? this.#options.clock.monotonic() };
    });
    // What still comes is dropped: a socket that is closed over unread bytes resets, and our last word is lost.
    this.#socket.resume();
  }

  /** The peer sends nothing more; what is unanswered has nobody who waits for it. */
  #onEnd(): void {
    const { kind } = this.#state;
    if (kind === 'ending' || kind === 'closed') return;
    this.#state = { kind: 'ending', since: this.#options.clock.monotonic() };
    this.#inbox.close();
    this.#sender.outbox.drop();
    this.#socket.end();
    this.#streams.giveUp(errorCodes.cancel);
  }

  #onClose(): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#inbox.close();
    this.#reader.wipe();
    this.#streams.giveUp(errorCodes.cancel);
    this.#options.onClosed?.();
  }
}
