/**
 * The server's half of one HTTP/2 connection over a socket (RFC 9113), with prior knowledge and without TLS. It knows
 * streams of fields and bytes, and neither what they mean nor who sends them.
 *
 *     greeting -- preface and SETTINGS --> open -- goAway --> warned -- PING comes back --> leaving
 *     leaving -- the last stream --> ending;  any -- a peer's mistake --> ending;  ending -- all written --> closed
 *
 * Left out, since no gRPC client needs it: CONNECT, the upgrade from HTTP/1.1, push, and priorities (deprecated by
 * RFC 9113 section 5.3.2).
 */
import type { Socket } from 'node:net';
import { Allowance } from '../base/allowance.ts';
import type { Clock } from '../base/clock.ts';
import { ConnectionError, StreamError } from './errors.ts';
import { checkPriority, type FieldBlock, FieldBlocks } from './field-blocks.ts';
import { FrameReader } from './frame-reader.ts';
import { checkFrame, protocolError, unpadded } from './frame-rules.ts';
import { defaultWindow, type ErrorCode, errorCodes, flags, frameTypes, max31 } from './frames.ts';
import type { HeaderList } from './hpack/field.ts';
import { Inbox } from './inbox.ts';
import { allowances, type Limits } from './limits.ts';
import { Pulse } from './pulse.ts';
import { type RequestHead, requestHead, trailerFields } from './request.ts';
import { Sender } from './sender.ts';
import { ownSettings } from './settings.ts';
import { type Link, type Source, Stream, type StreamUser } from './stream.ts';
import { Streams } from './streams.ts';
import { laterTurn } from './turns.ts';

/** Takes a request. Must not throw; `isEnd` says that it has no body. */
export type OnStream = (stream: Stream, head: RequestHead, isEnd: boolean) => StreamUser;

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onStream: OnStream;
  /** A request whose fields are more than `maxHeaderListBytes`: gets its answer without a look at it. */
  readonly onTooLarge: (stream: Stream) => void;
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

/** What the PINGs carry that ask for a sign of life, and for the end of what was on its way. */
const [aliveMark, leavingMark] = [Buffer.from('alive?\0\0', 'latin1'), Buffer.from('leaving\0', 'latin1')];

/** The peer may send so much before it hears of us again, over all streams, in bytes. */
const connectionWindow = 2 ** 20;

/** A part of a body from which on a peer may well widen a window for it, in bytes. */
const worthAWindow = 1_024;

/** Streams that are given up in one turn. */
const atOnce = 64;

/** Time for a peer to read our last word, in milliseconds. */
const lastWordMs = 1_000;

/** How much of `maxAgeMs` chance may add or take: those that came together do not leave together. */
const ageJitter = 0.1;

export class Connection implements Link {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #reader: FrameReader;
  readonly #inbox: Inbox;
  readonly #blocks: FieldBlocks;
  readonly #sender: Sender;
  readonly #streams = new Streams();
  readonly #pulse: Pulse;
  readonly #asks: Allowance;
  readonly #resets: Allowance;
  readonly #idle: Allowance;
  readonly #born: number;
  readonly #maxAge: number;
  #state: State = { kind: 'greeting' };
  #receiveWindow = connectionWindow;
  /** The last stream that the peer was told to be taken; it is not told a higher one later (section 6.8). */
  #lastTaken = max31;
  #isAcknowledged = false;
  /** The time of the chunk that is being read, and since when no stream is open. */
  #now: number;
  #idleSince: number;

  constructor(socket: Socket, options: ConnectionOptions) {
    const { clock, limits, random } = options;
    this.#socket = socket;
    this.#options = options;
    this.#clock = clock;
    this.#limits = limits;
    this.#reader = new FrameReader((...frame) => this.#onFrame(...frame));
    this.#inbox = new Inbox(socket, {
      clock,
      turnMs: limits.turnMs,
      read: (chunk, at, now) => this.#read(chunk, at, now),
      isOverfull: () => !this.#sender.hasRoom,
    });
    this.#blocks = new FieldBlocks(limits);
    this.#sender = new Sender(socket, { limits, onWritten: () => this.#onWritten() });
    const now = clock.monotonic();
    this.#now = now;
    this.#born = now;
    this.#idleSince = now;
    this.#pulse = new Pulse(limits, now);
    this.#maxAge = limits.maxAgeMs * (1 + ageJitter * (2 * random() - 1));
    this.#asks = new Allowance({ ...allowances.asks, now });
    this.#resets = new Allowance({ ...allowances.resets, now });
    this.#idle = new Allowance({ ...allowances.idle, now });
    socket.on('data', (chunk: Buffer) => this.#onChunk(chunk));
    socket.on('error', () => {});
    socket.once('end', () => this.#onEnd());
    socket.once('close', () => this.#onClose());
    this.#sender.writer.settings(ownSettings(limits));
    this.#sender.writer.windowUpdate(0, connectionWindow - defaultWindow);
  }

  /** Streams that are open. */
  get openStreams(): number {
    return this.#streams.count;
  }

  /** Lets the peer go: it is told to begin nothing new here, and the connection ends with the last stream. */
  goAway(): void {
    if (this.#state.kind === 'greeting') this.#leave();
    if (this.#state.kind !== 'open') return;
    this.#state = { kind: 'warned', since: this.#clock.monotonic() };
    this.#sender.writer.goAway(max31, errorCodes.noError, '');
    this.#sender.writer.ping(leavingMark, false);
  }

  /** Since when it has done nothing, by the monotonic clock; undefined where it does something, or goes already. */
  get idleSince(): number | undefined {
    const { kind } = this.#state;
    const isHere = kind === 'greeting' || kind === 'open' || kind === 'warned';
    return isHere && this.#streams.counted === 0 ? this.#idleSince : undefined;
  }

  /** Lets the peer go at once, where nothing is under way: its place is needed. */
  dismiss(): void {
    this.#leave();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends what has taken too long. To be called about once a second. */
  check(): void {
    const now = this.#clock.monotonic();
    const { handshakeMs, pingMs, headerBlockMs, settingsAckMs } = this.#limits;
    const isOver = (since: number | undefined, ms: number) => since !== undefined && now - since >= ms;
    const { kind } = this.#state;
    if (kind === 'closed') return;
    if (this.#state.kind === 'ending') {
      if (isOver(this.#state.since, lastWordMs)) this.destroy();
      else this.#checkPulse(now);
      return;
    }
    if (kind === 'greeting') {
      if (isOver(this.#born, handshakeMs)) this.destroy();
      return;
    }
    if (this.#state.kind === 'warned' && isOver(this.#state.since, pingMs)) this.#leave();
    if (kind === 'open' && this.#isOfAge(now)) this.goAway();
    if (isOver(this.#blocks.since, headerBlockMs)) {
      this.#fail(new ConnectionError(errorCodes.enhanceYourCalm, 'a block of fields has not ended in time'));
    } else if (!this.#isAcknowledged && isOver(this.#born, settingsAckMs)) {
      this.#fail(new ConnectionError(errorCodes.settingsTimeout, 'SETTINGS was not acknowledged in time'));
    } else this.#checkPulse(now);
    if (this.#streams.waiting > 0) this.#checkStreams(now);
  }

  /** A data key must not wait for ever for a peer who does not take it. */
  #checkStreams(now: number): void {
    for (const stream of this.#streams.all()) stream.check(now, this.#limits.stallMs);
    this.#options.onPause?.();
  }

  #isOfAge(now: number): boolean {
    const isUnused = this.#streams.counted === 0 && now - this.#idleSince >= this.#limits.idleMs;
    return isUnused || now - this.#born >= this.#maxAge;
  }

  #checkPulse(now: number): void {
    const isOwed = this.#sender.outbox.waiting > 0;
    const verdict = this.#pulse.verdict(now, { isOwed, isWaiting: this.#streams.count > 0 });
    if (verdict === 'dead') this.destroy();
    if (verdict === 'ask') this.#sender.writer.ping(aliveMark, false);
  }

  #onChunk(chunk: Buffer): void {
    const { kind } = this.#state;
    if (kind === 'ending' || kind === 'closed') return;
    const now = this.#clock.monotonic();
    this.#pulse.heard(now);
    this.#inbox.take(chunk, now);
  }

  #read(chunk: Buffer, at: number, now: number): number {
    this.#now = now;
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

  #onWritten(): void {
    this.#pulse.taken();
    if (this.#state.kind === 'closed') return;
    this.#sender.pump();
    this.#options.onPause?.();
    this.#inbox.regulate();
  }

  #onFrame(type: number, flag: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (this.#state.kind === 'ending') return true;
    if (this.#state.kind === 'greeting') this.#greet(type, flag);
    this.#blocks.checkNext(type, id);
    try {
      checkFrame(type, flag, id, end - start);
      if (type === frameTypes.data) this.#onData(flag, id, bytes, start, end);
      else this.#take(type, flag, id, bytes.subarray(start, end));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#failStream(id, error.code);
    }
    return this.#inbox.mayGoOn(end - start);
  }

  #take(type: number, flag: number, id: number, payload: Buffer): void {
    switch (type) {
      case frameTypes.headers:
        this.#onBlock(this.#blocks.headers(flag, id, payload, this.#now));
        break;
      case frameTypes.continuation:
        this.#onBlock(this.#blocks.continuation(flag, payload));
        break;
      case frameTypes.priority:
        checkPriority(id, payload);
        this.#spend(this.#idle, 'too many PRIORITY frames');
        break;
      case frameTypes.rstStream:
        this.#onRstStream(id, payload.readUInt32BE(0));
        break;
      case frameTypes.settings:
        this.#onSettings(flag, payload);
        break;
      case frameTypes.ping:
        this.#onPing(flag, payload);
        break;
      case frameTypes.goAway:
        // Section 6.8: the peer takes nothing new, which a server has none of.
        this.#leave();
        break;
      case frameTypes.windowUpdate:
        this.#onWindowUpdate(id, payload.readUInt32BE(0) & max31);
        break;
      default:
        this.#spend(this.#idle, 'too many frames of unknown types');
    }
  }

  /** Section 3.4: the first frame is SETTINGS. */
  #greet(type: number, flag: number): void {
    if (type !== frameTypes.settings || (flag & flags.ack) !== 0) {
      throw protocolError('the first frame is not SETTINGS');
    }
    this.#state = { kind: 'open' };
  }

  /** Section 6.1. */
  #onData(flag: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.#receive(end - start);
    const [from, to] = unpadded(flag, bytes, start, end);
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.isReceiving) {
      this.#onLate(id);
      return;
    }
    const isEnd = (flag & flags.endStream) !== 0;
    if (from === to && !isEnd) this.#spend(this.#idle, 'too many empty frames');
    stream.receive(bytes, from, to, end - start);
    if (isEnd && stream.isReceiving) stream.receiveEnd(undefined);
  }

  /** Section 6.9.1: whatever comes counts for the connection, and is taken at once. */
  #receive(length: number): void {
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCodes.flowControlError, 'DATA is over the window of the connection');
    }
    if (this.#receiveWindow * 2 > connectionWindow) return;
    this.#sender.writer.windowUpdate(0, connectionWindow - this.#receiveWindow);
    this.#receiveWindow = connectionWindow;
  }

  #onLate(id: number): void {
    this.#streams.late(id);
    this.#spend(this.#idle, 'too many frames for streams that were reset');
  }

  /** Section 8.1: fields begin a request, or end it. */
  #onBlock(block: FieldBlock | undefined): void {
    if (block === undefined) return;
    const { id, isEnd, decoded } = block;
    // A byte may stand for thousands.
    if (decoded.isTooLarge) this.#spend(this.#idle, 'too many fields that are too large', decoded.size >> 12);
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

  #begin({ id, isEnd, decoded }: FieldBlock): void {
    this.#streams.begin(id);
    this.#inbox.begun();
    if (this.#streams.counted >= this.#limits.maxStreams || this.#state.kind === 'leaving') {
      // No error is thrown: making one costs more than the refusal.
      this.#failStream(id, errorCodes.refusedStream);
      return;
    }
    const { onStream, onTooLarge } = this.#options;
    const head = decoded.isTooLarge ? undefined : requestHead(decoded);
    const windows = { send: this.#sender.peer.initialWindowSize, receive: this.#limits.streamWindow };
    const stream = new Stream(id, this, { isWhole: isEnd, windows });
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

  /** Section 6.4. */
  #onRstStream(id: number, code: number): void {
    this.#streams.expectBegun(id);
    this.#spend(this.#resets, 'too many streams were reset');
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.receiveReset(codeOf(code));
    this.#streams.end(id, 'reset by peer');
  }

  /** Section 6.5. */
  #onSettings(flag: number, payload: Buffer): void {
    if ((flag & flags.ack) !== 0) {
      this.#isAcknowledged = true;
      return;
    }
    this.#spend(this.#asks, 'too many SETTINGS frames');
    const change = this.#sender.settings(payload);
    if (change === 0) return;
    // Each stream is told, and no answer of ours makes up for that.
    this.#spend(this.#idle, 'too many SETTINGS frames', this.#streams.count >> 5);
    try {
      for (const stream of this.#streams.all()) stream.widen(change);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      throw new ConnectionError(errorCodes.flowControlError, error.message);
    }
  }

  /** Section 6.7. */
  #onPing(flag: number, payload: Buffer): void {
    if ((flag & flags.ack) === 0) {
      // What gRPC's clients understand: they ask half as often then.
      this.#spend(this.#asks, 'too_many_pings');
      this.#sender.writer.ping(payload, true);
    } else if (this.#state.kind === 'warned' && payload.equals(leavingMark)) this.#leave();
  }

  /** Section 6.9. */
  #onWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw protocolError('a window grows by nothing');
      this.#sender.widen(increment);
    } else {
      this.#streams.expectBegun(id);
      if (increment === 0) throw new StreamError(errorCodes.protocolError, 'a window grows by nothing');
      this.#streams.get(id)?.widen(increment);
    }
    this.#spend(this.#idle, 'too many WINDOW_UPDATE frames');
  }

  #spend(allowance: Allowance, message: string, count = 1): void {
    if (!allowance.take(count, this.#now)) throw new ConnectionError(errorCodes.enhanceYourCalm, message);
  }

  /** A peer's mistake about one stream; one that was never begun, or has ended, is told all the same. */
  #failStream(id: number, code: ErrorCode): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      stream.fail(code);
      // A peer that makes us reset does what a peer does that resets itself.
      this.#spend(this.#resets, 'too many streams were reset');
      return;
    }
    this.#sender.writer.rstStream(id, code);
    if (this.#streams.hasBegun(id)) this.#streams.end(id, 'reset by us');
    this.#spend(this.#idle, 'too many mistakes');
  }

  /** The end for a mistake of the peer, or a failure of our own. */
  #fail(error: unknown): void {
    if (error instanceof ConnectionError) this.#end(error.code, error.message);
    else {
      this.#options.onFailure?.(error);
      this.#end(errorCodes.internalError, 'the server failed');
    }
  }

  /** Says the last word, gives up all streams, and reads nothing more. */
  #end(code: ErrorCode, message: string): void {
    if (this.#state.kind === 'closed' || this.#state.kind === 'ending') return;
    this.#sendGoAway(code, message);
    this.#close(this.#clock.monotonic());
    this.#giveUp(code);
  }

  /** Refuses what is new, and ends with what there is. */
  #leave(): void {
    const { kind } = this.#state;
    if (kind === 'leaving' || kind === 'ending' || kind === 'closed') return;
    this.#sendGoAway(errorCodes.noError, '');
    this.#state = { kind: 'leaving' };
    this.#endIfIdle();
  }

  #sendGoAway(code: ErrorCode, message: string): void {
    this.#lastTaken = Math.min(this.#lastTaken, this.#streams.last);
    this.#sender.writer.goAway(this.#lastTaken, code, message);
  }

  #endIfIdle(): void {
    if (this.#state.kind === 'leaving' && this.#streams.count === 0) this.#close(undefined);
  }

  /** Sends what has gathered, and nothing after it; with `since` it has no time to lose. */
  #close(since: number | undefined): void {
    this.#state = { kind: 'ending', since };
    this.#blocks.drop();
    this.#inbox.close();
    this.#reader.wipe();
    this.#sender.end(() => {
      if (this.#state.kind === 'ending') this.#state = { kind: 'ending', since: since ?? this.#clock.monotonic() };
    });
    // What still comes is dropped: a socket that is closed over unread bytes resets, and our last word is lost.
    this.#socket.resume();
  }

  /** Some at a time: there may be thousands. */
  #giveUp(code: ErrorCode, streams = this.#streams.all()): void {
    for (const stream of streams.splice(-atOnce)) stream.receiveReset(code);
    if (streams.length > 0) laterTurn(() => this.#giveUp(code, streams));
  }

  /** The peer sends nothing more; what is unanswered has nobody who waits for it. */
  #onEnd(): void {
    const { kind } = this.#state;
    if (kind === 'ending' || kind === 'closed') return;
    this.#state = { kind: 'ending', since: this.#clock.monotonic() };
    this.#inbox.close();
    this.#sender.outbox.drop();
    this.#socket.end();
    this.#giveUp(errorCodes.cancel);
  }

  #onClose(): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#inbox.close();
    this.#reader.wipe();
    this.#giveUp(errorCodes.cancel);
    this.#options.onClosed?.();
  }

  // What streams ask for.

  sendHeaders(stream: Stream, fields: HeaderList, isEnd: boolean): void {
    this.#asks.refill();
    this.#sender.headers(stream.id, fields, isEnd);
  }

  room(wanted: number): number {
    return this.#sender.room(wanted);
  }

  sendData(stream: Stream, source: Source, isEnd: boolean): void {
    this.#asks.refill();
    if (stream.isDrained || source.size >= worthAWindow) this.#idle.earn();
    this.#sender.data(stream.id, source, isEnd);
  }

  wait(stream: Stream): void {
    this.#sender.wait(stream);
  }

  sendReset(stream: Stream, code: ErrorCode): void {
    this.#sender.writer.rstStream(stream.id, code);
  }

  sendWindowUpdate(stream: Stream, increment: number): void {
    this.#sender.writer.windowUpdate(stream.id, increment);
  }

  hold(bytes: number): void {
    this.#streams.waiting += bytes;
    this.#options.onHeld?.(bytes);
  }

  closed(stream: Stream, code: ErrorCode | undefined): void {
    if (stream.isDone) this.#streams.leave();
    this.#sender.forget(stream);
    this.#streams.end(stream.id, code === undefined ? 'ended' : 'reset by us');
    if (this.#streams.count === 0) this.#idleSince = this.#clock.monotonic();
    this.#endIfIdle();
  }

  done(stream: Stream): void {
    if (stream.state === 'closed') this.#streams.leave();
  }
}

/** An unknown code means what INTERNAL_ERROR means (section 7). */
function codeOf(value: number): ErrorCode {
  return Object.values(errorCodes).find((code) => code === value) ?? errorCodes.internalError;
}
