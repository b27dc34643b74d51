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
import type { Clock } from '../base/clock.ts';
import { ConnectionError, StreamError } from './errors.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { defaultWindow, type ErrorCode, errorCodes, flags, frameTypes, max31 } from './frames.ts';
import { HeaderBlock } from './header-block.ts';
import { CompressionError, type DecodedBlock, HeaderDecoder } from './hpack/decoder.ts';
import { HeaderEncoder } from './hpack/encoder.ts';
import type { HeaderList } from './hpack/field.ts';
import { Allowance, allowances, type Limits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { type RequestHead, requestHead, trailerFields } from './request.ts';
import { applySettings, initialPeerSettings, ownSettings } from './settings.ts';
import { type Link, type Source, Stream, type StreamUser } from './stream.ts';
import { StreamHistory } from './stream-history.ts';

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
  /** The second GOAWAY is out; streams above `lastId` are refused. */
  | { readonly kind: 'leaving'; readonly lastId: number }
  /** The last word is out; nothing is read any more. */
  | { readonly kind: 'ending'; readonly since: number }
  | { readonly kind: 'closed' };

/** What the PINGs carry that ask for a sign of life, and for the end of what was on its way. */
const [aliveMark, leavingMark] = [Buffer.from('alive?\0\0', 'latin1'), Buffer.from('leaving\0', 'latin1')];

/** The peer may send so much before it hears of us again, over all streams, in bytes. */
const connectionWindow = 2 ** 20;

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
  readonly #outbox: Outbox;
  readonly #writer: FrameWriter;
  readonly #decoder: HeaderDecoder;
  readonly #encoder: HeaderEncoder;
  readonly #peer = initialPeerSettings();
  readonly #streams = new Map<number, Stream>();
  readonly #history = new StreamHistory();
  /** Streams with something to send and a window of their own; the first one is next. */
  readonly #ready = new Set<Stream>();
  readonly #asks: Allowance;
  readonly #resets: Allowance;
  readonly #idle: Allowance;
  readonly #born: number;
  readonly #maxAge: number;
  #state: State = { kind: 'greeting' };
  /** Streams whose work has not ended, closed ones too. */
  #working = 0;
  #sendWindow = defaultWindow;
  #receiveWindow = connectionWindow;
  #block: HeaderBlock | undefined;
  #isAcknowledged = false;
  /** The time of the chunk that is being read; of the last byte that came; since when no stream is open. */
  #now: number;
  #heard: number;
  #idleSince: number;
  /** When the peer was asked for a sign of life. */
  #asked: number | undefined;
  /** Since when output waits without a byte taken. */
  #stalledSince: number | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    const { clock, limits, random } = options;
    this.#socket = socket;
    this.#options = options;
    this.#clock = clock;
    this.#limits = limits;
    this.#reader = new FrameReader((...frame) => this.#onFrame(...frame));
    this.#outbox = new Outbox(socket, () => this.#onWritten());
    this.#writer = new FrameWriter(this.#outbox);
    this.#decoder = new HeaderDecoder({
      maxTableSize: limits.headerTableBytes,
      maxListSize: limits.maxHeaderListBytes,
    });
    this.#encoder = new HeaderEncoder({ maxTableSize: limits.headerTableBytes });
    const now = clock.monotonic();
    this.#now = now;
    this.#born = now;
    this.#heard = now;
    this.#idleSince = now;
    this.#maxAge = limits.maxAgeMs * (1 + ageJitter * (2 * random() - 1));
    this.#asks = new Allowance({ ...allowances.asks, now });
    this.#resets = new Allowance({ ...allowances.resets, now });
    this.#idle = new Allowance({ ...allowances.idle, now });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    socket.once('end', () => this.#onEnd());
    socket.once('close', () => this.#onClose());
    this.#writer.settings(ownSettings(limits));
    this.#writer.windowUpdate(0, connectionWindow - defaultWindow);
  }

  /** Streams that are open. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Lets the peer go: it is told to begin nothing new here, and the connection ends with the last stream. */
  goAway(): void {
    if (this.#state.kind === 'greeting') this.#leave();
    if (this.#state.kind !== 'open') return;
    this.#state = { kind: 'warned', since: this.#clock.monotonic() };
    this.#writer.goAway(max31, errorCodes.noError, '');
    this.#writer.ping(leavingMark, false);
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends what has taken too long. To be called about once a second. */
  check(): void {
    const now = this.#clock.monotonic();
    const limits = this.#limits;
    const isOver = (since: number | undefined, ms: number) => since !== undefined && now - since >= ms;
    switch (this.#state.kind) {
      case 'closed':
        return;
      case 'ending':
        if (isOver(this.#state.since, lastWordMs)) this.destroy();
        return;
      case 'greeting':
        if (isOver(this.#born, limits.handshakeMs)) this.destroy();
        return;
      case 'warned':
        if (isOver(this.#state.since, limits.pingMs)) this.#leave();
        break;
      case 'open':
        if (isOver(this.#born, this.#maxAge)) this.goAway();
        if (this.#working === 0 && isOver(this.#idleSince, limits.idleMs)) this.goAway();
    }
    if (isOver(this.#block?.since, limits.headerBlockMs)) {
      this.#fail(new ConnectionError(errorCodes.enhanceYourCalm, 'a block of fields has not ended in time'));
    } else if (!this.#isAcknowledged && isOver(this.#born, limits.settingsAckMs)) {
      this.#fail(new ConnectionError(errorCodes.settingsTimeout, 'SETTINGS was not acknowledged in time'));
    } else this.#checkPulse(now);
  }

  /** Whether the peer still takes and says something. */
  #checkPulse(now: number): void {
    const { stallMs, silenceMs, pingMs } = this.#limits;
    if (this.#outbox.waiting > 0) {
      this.#stalledSince ??= now;
      if (now - this.#stalledSince >= stallMs) this.destroy();
      return;
    }
    this.#stalledSince = undefined;
    if (this.#streams.size === 0 || now - this.#heard < silenceMs) return;
    if (this.#asked === undefined) {
      this.#asked = now;
      this.#writer.ping(aliveMark, false);
    } else if (now - this.#asked >= pingMs) this.destroy();
  }

  #read(chunk: Buffer): void {
    const { kind } = this.#state;
    if (kind === 'ending' || kind === 'closed') return;
    this.#now = this.#clock.monotonic();
    this.#heard = this.#now;
    this.#asked = undefined;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#pump();
    if (this.#outbox.waiting > this.#limits.maxOutput * 2) this.#socket.pause();
  }

  #onWritten(): void {
    this.#stalledSince = undefined;
    if (this.#state.kind === 'closed') return;
    this.#pump();
    if (this.#socket.isPaused() && this.#outbox.waiting <= this.#limits.maxOutput) this.#socket.resume();
  }

  #onFrame(type: number, flag: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#state.kind === 'ending') return;
    if (this.#state.kind === 'greeting') this.#greet(type, flag);
    if (this.#block !== undefined && (type !== frameTypes.continuation || id !== this.#block.id)) {
      throw protocolError('a block of fields is interrupted by another frame');
    }
    try {
      this.#take(type, flag, id, bytes, start, end);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#failStream(id, error.code);
    }
  }

  #take(type: number, flag: number, id: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case frameTypes.data:
        this.#onData(flag, id, bytes, start, end);
        break;
      case frameTypes.headers:
        this.#onHeaders(flag, id, bytes.subarray(start, end));
        break;
      case frameTypes.priority:
        this.#onPriority(id, bytes.subarray(start, end));
        break;
      case frameTypes.rstStream:
        this.#onRstStream(id, bytes.subarray(start, end));
        break;
      case frameTypes.settings:
        this.#onSettings(flag, id, bytes.subarray(start, end));
        break;
      case frameTypes.pushPromise:
        throw protocolError('a client does not push');
      case frameTypes.ping:
        this.#onPing(flag, id, bytes.subarray(start, end));
        break;
      case frameTypes.goAway:
        this.#onGoAway(id, end - start);
        break;
      case frameTypes.windowUpdate:
        this.#onWindowUpdate(id, bytes.subarray(start, end));
        break;
      case frameTypes.continuation:
        this.#onContinuation(flag, bytes.subarray(start, end));
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
    if (id === 0) throw protocolError('DATA needs a stream');
    const length = end - start;
    this.#receive(length);
    const stream = this.#streams.get(id);
    const [from, to] = (flag & flags.padded) === 0 ? [start, end] : unpadded(bytes, start, end);
    if (stream === undefined || !stream.isReceiving) {
      this.#onLate(id, stream);
      return;
    }
    const isEnd = (flag & flags.endStream) !== 0;
    if (from === to && !isEnd) this.#spend(this.#idle, 'too many empty frames');
    stream.receive(bytes, from, to, length);
    if (isEnd && stream.isReceiving) stream.receiveEnd(undefined);
  }

  /** Section 6.9.1: whatever comes counts for the connection, and is taken at once. */
  #receive(length: number): void {
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCodes.flowControlError, 'DATA is over the window of the connection');
    }
    if (this.#receiveWindow * 2 > connectionWindow) return;
    this.#writer.windowUpdate(0, connectionWindow - this.#receiveWindow);
    this.#receiveWindow = connectionWindow;
  }

  /** DATA or HEADERS for a stream that takes none (section 5.1, `half-closed (remote)` and `closed`). */
  #onLate(id: number, stream: Stream | undefined): void {
    if (stream !== undefined) throw new StreamError(errorCodes.streamClosed, 'the request has ended');
    this.#expectBegun(id);
    switch (this.#history.of(id)) {
      case 'skipped':
        throw protocolError('a stream has a lower number than one before');
      case 'ended':
        throw new ConnectionError(errorCodes.streamClosed, 'the stream has ended');
      case 'reset by peer':
        throw new StreamError(errorCodes.streamClosed, 'the stream was reset');
      case 'reset by us':
        // The peer may not know of it yet.
        this.#spend(this.#idle, 'too many frames for streams that were reset');
    }
  }

  /** Section 6.2. */
  #onHeaders(flag: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw protocolError('HEADERS needs a stream with an odd number');
    let [from, to] = (flag & flags.padded) === 0 ? [0, payload.length] : unpadded(payload, 0, payload.length);
    if ((flag & flags.priority) !== 0) {
      if (to - from < 5) throw new ConnectionError(errorCodes.frameSizeError, 'HEADERS is too short for its priority');
      if ((payload.readUInt32BE(from) & max31) === id) throw protocolError('a stream depends on itself');
      from += 5;
    }
    const fragment = payload.subarray(from, to);
    const isEnd = (flag & flags.endStream) !== 0;
    if ((flag & flags.endHeaders) !== 0) {
      this.#onBlock(id, isEnd, this.#decode(fragment));
      return;
    }
    this.#block = new HeaderBlock({ id, isEnd, since: this.#now }, this.#limits);
    this.#block.add(fragment);
  }

  /** Section 6.10. */
  #onContinuation(flag: number, payload: Buffer): void {
    const block = this.#block;
    if (block === undefined) throw protocolError('CONTINUATION without HEADERS');
    block.add(payload);
    if ((flag & flags.endHeaders) === 0) return;
    this.#block = undefined;
    this.#onBlock(block.id, block.isEnd, this.#decode(block.whole()));
  }

  /** Every block is decoded, whatever becomes of its stream: the header table is the connection's (section 4.3). */
  #decode(block: Buffer): DecodedBlock {
    try {
      return this.#decoder.decode(block);
    } catch (error) {
      if (error instanceof CompressionError) {
        throw new ConnectionError(errorCodes.compressionError, error.message);
      }
      throw error;
    }
  }

  #onBlock(id: number, isEnd: boolean, block: DecodedBlock): void {
    if (id > this.#history.last) {
      this.#begin(id, isEnd, block);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.isReceiving) {
      this.#onLate(id, stream);
      return;
    }
    if (!isEnd) throw new StreamError(errorCodes.protocolError, 'fields in the middle of a body');
    if (block.isTooLarge) throw new StreamError(errorCodes.enhanceYourCalm, 'the trailers are too large');
    stream.receiveEnd(trailerFields(block));
  }

  #begin(id: number, isEnd: boolean, block: DecodedBlock): void {
    this.#history.begin(id);
    if (this.#state.kind === 'leaving' || this.#working >= this.#limits.maxStreams) {
      throw new StreamError(errorCodes.refusedStream, 'no more streams are taken');
    }
    const { onStream, onTooLarge } = this.#options;
    const head = block.isTooLarge ? undefined : requestHead(block);
    const windows = { send: this.#peer.initialWindowSize, receive: this.#limits.streamWindow };
    const stream = new Stream(id, this, windows);
    this.#streams.set(id, stream);
    this.#working++;
    if (head === undefined) {
      onTooLarge(stream);
      stream.reset(errorCodes.noError);
      stream.done();
      return;
    }
    stream.begin(onStream(stream, head, isEnd), head.contentLength);
    if (isEnd && stream.isReceiving) stream.receiveEnd(undefined);
  }

  /** Section 6.3 (RFC 7540 section 5.3.1 for what a stream may depend on). */
  #onPriority(id: number, payload: Buffer): void {
    if (id === 0) throw protocolError('PRIORITY needs a stream');
    if (payload.length !== 5) throw new StreamError(errorCodes.frameSizeError, 'PRIORITY has not 5 bytes');
    if ((payload.readUInt32BE(0) & max31) === id) {
      throw new StreamError(errorCodes.protocolError, 'a stream depends on itself');
    }
    this.#spend(this.#idle, 'too many PRIORITY frames');
  }

  /** Section 6.4. */
  #onRstStream(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCodes.frameSizeError, 'RST_STREAM has not 4 bytes');
    if (id === 0) throw protocolError('RST_STREAM needs a stream');
    this.#expectBegun(id);
    this.#spend(this.#resets, 'too many streams were reset');
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.receiveReset(codeOf(payload.readUInt32BE(0)));
    this.#history.end(id, 'reset by peer');
  }

  /** Section 6.5. */
  #onSettings(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw protocolError('SETTINGS has no stream');
    if ((flag & flags.ack) !== 0) {
      if (payload.length !== 0)
        throw new ConnectionError(errorCodes.frameSizeError, 'an acknowledgement has a payload');
      this.#isAcknowledged = true;
      return;
    }
    this.#spend(this.#asks, 'too many SETTINGS frames');
    const before = this.#peer.initialWindowSize;
    applySettings(this.#peer, payload);
    this.#encoder.setMaxTableSize(this.#peer.headerTableSize);
    this.#writer.settingsAck();
    const change = this.#peer.initialWindowSize - before;
    if (change === 0) return;
    try {
      for (const stream of this.#streams.values()) stream.widen(change);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      throw new ConnectionError(errorCodes.flowControlError, error.message);
    }
  }

  /** Section 6.7. */
  #onPing(flag: number, id: number, payload: Buffer): void {
    if (payload.length !== 8) throw new ConnectionError(errorCodes.frameSizeError, 'PING has not 8 bytes');
    if (id !== 0) throw protocolError('PING has no stream');
    if ((flag & flags.ack) === 0) {
      // What gRPC's clients understand: they ask half as often then.
      this.#spend(this.#asks, 'too_many_pings');
      this.#writer.ping(payload, true);
    } else if (this.#state.kind === 'warned' && payload.equals(leavingMark)) this.#leave();
  }

  /** Section 6.8: the peer takes nothing new, which a server has none of. */
  #onGoAway(id: number, length: number): void {
    if (id !== 0) throw protocolError('GOAWAY has no stream');
    if (length < 8) throw new ConnectionError(errorCodes.frameSizeError, 'GOAWAY has less than 8 bytes');
    this.#leave();
  }

  /** Section 6.9. */
  #onWindowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCodes.frameSizeError, 'WINDOW_UPDATE has not 4 bytes');
    const increment = payload.readUInt32BE(0) & max31;
    if (id === 0) {
      if (increment === 0) throw protocolError('a window grows by nothing');
      this.#sendWindow += increment;
      if (this.#sendWindow > max31) {
        throw new ConnectionError(errorCodes.flowControlError, 'the window of the connection is over 2^31 - 1');
      }
    } else {
      this.#expectBegun(id);
      if (increment === 0) throw new StreamError(errorCodes.protocolError, 'a window grows by nothing');
      this.#streams.get(id)?.widen(increment);
    }
    this.#spend(this.#idle, 'too many WINDOW_UPDATE frames');
  }

  /** Section 5.1: nothing but HEADERS and PRIORITY may come for a stream that is idle. */
  #expectBegun(id: number): void {
    if (id > this.#history.last || id % 2 === 0) throw protocolError('the stream has not begun');
  }

  #spend(allowance: Allowance, message: string): void {
    if (!allowance.take(1, this.#now)) throw new ConnectionError(errorCodes.enhanceYourCalm, message);
  }

  /** A peer's mistake about one stream; one that was never begun, or has ended, is told all the same. */
  #failStream(id: number, code: ErrorCode): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      stream.fail(code);
      return;
    }
    this.#writer.rstStream(id, code);
    if (id <= this.#history.last && id % 2 === 1) this.#history.end(id, 'reset by us');
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
    this.#writer.goAway(this.#history.last, code, message);
    this.#state = { kind: 'ending', since: this.#clock.monotonic() };
    this.#block = undefined;
    this.#reader.wipe();
    this.#giveUp(code);
    this.#outbox.flush();
    this.#socket.end();
    // What still comes is dropped: a socket that is closed over unread bytes resets, and our last word is lost.
    this.#socket.resume();
  }

  /** Refuses what is new, and ends with what there is. */
  #leave(): void {
    const { kind } = this.#state;
    if (kind === 'leaving' || kind === 'ending' || kind === 'closed') return;
    this.#writer.goAway(this.#history.last, errorCodes.noError, '');
    this.#state = { kind: 'leaving', lastId: this.#history.last };
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#state.kind !== 'leaving' || this.#streams.size > 0) return;
    this.#state = { kind: 'ending', since: this.#clock.monotonic() };
    this.#outbox.flush();
    this.#socket.end();
    this.#socket.resume();
  }

  #giveUp(code: ErrorCode): void {
    for (const stream of [...this.#streams.values()]) stream.receiveReset(code);
    this.#ready.clear();
  }

  /** The peer sends nothing more; what is unanswered has nobody who waits for it. */
  #onEnd(): void {
    this.#socket.end();
    if (this.#state.kind !== 'closed') this.#giveUp(errorCodes.cancel);
  }

  #onClose(): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#reader.wipe();
    this.#giveUp(errorCodes.cancel);
    this.#options.onClosed?.();
  }

  // What streams ask for.

  sendHeaders(stream: Stream, fields: HeaderList, isEnd: boolean): void {
    this.#asks.refill();
    this.#writer.headers(stream.id, this.#encoder.encode(fields), { isEnd, maxFrame: this.#peer.maxFrameSize });
  }

  room(wanted: number): number {
    if (this.#outbox.waiting > this.#limits.maxOutput) return 0;
    return Math.min(wanted, this.#sendWindow, this.#peer.maxFrameSize);
  }

  sendData(stream: Stream, source: Source, isEnd: boolean): void {
    this.#asks.refill();
    this.#sendWindow -= source.size;
    this.#writer.data(stream.id, source, isEnd);
  }

  wait(stream: Stream): void {
    this.#ready.add(stream);
  }

  sendReset(stream: Stream, code: ErrorCode): void {
    this.#writer.rstStream(stream.id, code);
  }

  sendWindowUpdate(stream: Stream, increment: number): void {
    this.#writer.windowUpdate(stream.id, increment);
  }

  closed(stream: Stream, code: ErrorCode | undefined): void {
    this.#streams.delete(stream.id);
    this.#ready.delete(stream);
    this.#history.end(stream.id, code === undefined ? 'ended' : 'reset by us');
    if (this.#streams.size === 0) this.#idleSince = this.#now;
    this.#endIfIdle();
  }

  done(_stream: Stream): void {
    this.#working--;
  }

  /** Sends what waits, a frame of each stream in turn, as long as the peer and the socket take it. */
  #pump(): void {
    if (this.#ready.size === 0) return;
    for (const stream of this.#ready) {
      if (this.room(1) === 0) return;
      this.#ready.delete(stream);
      if (stream.sendWaiting(this.#peer.maxFrameSize)) this.#ready.add(stream);
    }
  }
}

function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCodes.protocolError, message);
}

/** The payload without its padding (section 6.1). */
function unpadded(bytes: Buffer, start: number, end: number): [number, number] {
  const padding = bytes[start] ?? 0;
  if (end - start < 1 + padding) throw protocolError('the padding is longer than the frame');
  return [start + 1, end - padding];
}

/** An unknown code means what INTERNAL_ERROR means (section 7). */
function codeOf(value: number): ErrorCode {
  return Object.values(errorCodes).find((code) => code === value) ?? errorCodes.internalError;
}
