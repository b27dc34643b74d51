/**
 * What comes from the peer: every frame is checked, and does what its type means (RFC 9113 section 6). What it means for
 * a stream is in `stream-frames.ts`.
 */
import type { Allowances } from './allowances.ts';
import { ConnectionError, StreamError } from './errors.ts';
import { checkPriority, type FieldBlock, FieldBlocks } from './field-blocks.ts';
import { checkFrame, protocolError } from './frame-rules.ts';
import { defaultWindow, errorCodes, flags, frameTypes, max31 } from './frames.ts';
import type { Limits } from './limits.ts';
import type { Sender } from './sender.ts';
import { ownSettings } from './settings.ts';
import type { StreamFrames } from './stream-frames.ts';

/** What frames of the peer may want of the course of the connection. */
export interface Course {
  /** Refuses what is new, and ends the connection with the last stream. */
  leave(): void;
  /** A PING of ours, with this payload, has come back. */
  pong(payload: Buffer): void;
}

export interface ReceiverOptions {
  readonly limits: Limits;
  readonly allowances: Allowances;
  readonly sender: Sender;
  readonly streamFrames: StreamFrames;
  readonly course: Course;
}

/** The peer may send so much before it hears of us again, over all streams, in bytes. */
const connectionWindow = 2 ** 20;

export class Receiver {
  readonly #limits: Limits;
  readonly #allowances: Allowances;
  readonly #sender: Sender;
  readonly #streamFrames: StreamFrames;
  readonly #course: Course;
  readonly #blocks: FieldBlocks;
  #window = connectionWindow;
  /** Since when the peer has had our SETTINGS without a word of it. */
  #unacknowledgedSince: number | undefined;

  /** Begins with what the peer may send: our SETTINGS, and the window of the connection. */
  constructor({ limits, allowances, sender, streamFrames, course }: ReceiverOptions) {
    this.#limits = limits;
    this.#allowances = allowances;
    this.#sender = sender;
    this.#streamFrames = streamFrames;
    this.#course = course;
    this.#blocks = new FieldBlocks(limits);
    this.#unacknowledgedSince = allowances.now;
    sender.writer.settings(ownSettings(limits));
    sender.writer.windowUpdate(0, connectionWindow - defaultWindow);
  }

  /** What is taken from here on came at the time `now`, monotonic, in milliseconds. */
  at(now: number): void {
    this.#allowances.now = now;
  }

  /**
   * Takes a frame, whose payload is in `bytes` from `start` to `end`. A mistake that is its stream's ends the stream;
   * throws a ConnectionError for any other.
   */
  take(type: number, flag: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.#blocks.checkNext(type, id);
    try {
      checkFrame(type, flag, id, end - start);
      if (type === frameTypes.data) {
        this.#spendWindow(end - start);
        this.#streamFrames.data(flag, id, bytes, start, end);
      } else this.#takePayload(type, flag, id, bytes.subarray(start, end));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#streamFrames.fail(id, error.code);
    }
  }

  /** What the peer has owed for too long at the time `now`: the end of a block of fields, or a word of our SETTINGS. */
  overdue(now: number): ConnectionError | undefined {
    const { headerBlockMs, settingsAckMs } = this.#limits;
    const [blockSince, settingsSince] = [this.#blocks.since, this.#unacknowledgedSince];
    if (blockSince !== undefined && now - blockSince >= headerBlockMs) {
      return new ConnectionError(errorCodes.enhanceYourCalm, 'a block of fields has not ended in time');
    }
    if (settingsSince !== undefined && now - settingsSince >= settingsAckMs) {
      return new ConnectionError(errorCodes.settingsTimeout, 'SETTINGS was not acknowledged in time');
    }
    return undefined;
  }

  /** Gives up what has begun to come: nothing is taken any more. */
  drop(): void {
    this.#blocks.drop();
  }

  #takePayload(type: number, flag: number, id: number, payload: Buffer): void {
    switch (type) {
      case frameTypes.headers:
        this.#onBlock(this.#blocks.headers(flag, id, payload, this.#allowances.now));
        break;
      case frameTypes.continuation:
        this.#onBlock(this.#blocks.continuation(flag, payload));
        break;
      case frameTypes.priority:
        checkPriority(id, payload);
        this.#allowances.idle('too many PRIORITY frames');
        break;
      case frameTypes.rstStream:
        this.#streamFrames.reset(id, payload.readUInt32BE(0));
        break;
      case frameTypes.settings:
        this.#onSettings(flag, payload);
        break;
      case frameTypes.ping:
        this.#onPing(flag, payload);
        break;
      case frameTypes.goAway:
        // Section 6.8: the peer takes nothing new, which a server has none of.
        this.#course.leave();
        break;
      case frameTypes.windowUpdate:
        this.#onWindowUpdate(id, payload.readUInt32BE(0) & max31);
        break;
      default:
        this.#allowances.idle('too many frames of unknown types');
    }
  }

  /** Section 6.9.1: whatever comes counts for the connection, and is taken at once. */
  #spendWindow(length: number): void {
    this.#window -= length;
    if (this.#window < 0) {
      throw new ConnectionError(errorCodes.flowControlError, 'DATA is over the window of the connection');
    }
    if (this.#window * 2 > connectionWindow) return;
    this.#sender.writer.windowUpdate(0, connectionWindow - this.#window);
    this.#window = connectionWindow;
  }

  #onBlock(block: FieldBlock | undefined): void {
    if (block !== undefined) this.#streamFrames.fields(block);
  }

  /** Section 6.5. */
  #onSettings(flag: number, payload: Buffer): void {
    if ((flag & flags.ack) !== 0) {
      this.#unacknowledgedSince = undefined;
      return;
    }
    this.#allowances.ask('too many SETTINGS frames');
    const change = this.#sender.settings(payload);
    if (change !== 0) this.#streamFrames.widenAll(change);
  }

  /** Section 6.7. */
  #onPing(flag: number, payload: Buffer): void {
    if ((flag & flags.ack) !== 0) {
      this.#course.pong(payload);
      return;
    }
    // What gRPC's clients understand: they ask half as often then.
    this.#allowances.ask('too_many_pings');
    this.#sender.writer.ping(payload, true);
  }

  /** Section 6.9. */
  #onWindowUpdate(id: number, increment: number): void {
    if (id !== 0) this.#streamFrames.widen(id, increment);
    else if (increment === 0) throw protocolError('a window grows by nothing');
    else this.#sender.widen(increment);
    this.#allowances.idle('too many WINDOW_UPDATE frames');
  }
}
