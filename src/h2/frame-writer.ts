/** From frames to an outbox (RFC 9113 section 6). */
import { type ErrorCode, flags, frameTypes, headLength } from './frames.ts';
import type { Outbox } from './outbox.ts';

/** Bytes that are written where they are wanted, so that nobody has to hold them in between. */
export interface Source {
  /** In bytes. */
  readonly size: number;
  /** Writes exactly `size` bytes from `at` on. */
  writeTo(target: Buffer, at: number): void;
}

export class FrameWriter {
  readonly #outbox: Outbox;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  data(id: number, source: Source, isEnd: boolean): void {
    const { size } = source;
    const block = this.#outbox.reserve(headLength + size);
    const { bytes } = block;
    const at = block.used - size;
    writeHead(bytes, at - headLength, { length: size, type: frameTypes.data, flags: isEnd ? flags.endStream : 0, id });
    try {
      source.writeTo(bytes, at);
    } catch (error) {
      this.#outbox.takeBack(block, headLength + size);
      throw error;
    }
  }

  /** A block of fields, in CONTINUATION frames too where it is larger than `maxFrame`. */
  headers(id: number, block: Buffer, { isEnd, maxFrame }: { isEnd: boolean; maxFrame: number }): void {
    let type: number = frameTypes.headers;
    let flag: number = isEnd ? flags.endStream : 0;
    let from = 0;
    do {
      const to = Math.min(block.length, from + maxFrame);
      if (to === block.length) flag |= flags.endHeaders;
      this.#frame(type, flag, id, block.subarray(from, to));
      type = frameTypes.continuation;
      flag = 0;
      from = to;
    } while (from < block.length);
  }

  rstStream(id: number, code: ErrorCode): void {
    this.#number(frameTypes.rstStream, id, code);
  }

  settings(payload: Buffer): void {
    this.#frame(frameTypes.settings, 0, 0, payload);
  }

  settingsAck(): void {
    this.#frame(frameTypes.settings, flags.ack, 0, nothing);
  }

  ping(payload: Buffer, isAck: boolean): void {
    this.#frame(frameTypes.ping, isAck ? flags.ack : 0, 0, payload);
  }

  goAway(lastId: number, code: ErrorCode, debug: string): void {
    const payload = Buffer.alloc(8 + debug.length);
    payload.writeUInt32BE(lastId, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(debug, 8, 'latin1');
    this.#frame(frameTypes.goAway, 0, 0, payload);
  }

  windowUpdate(id: number, increment: number): void {
    this.#number(frameTypes.windowUpdate, id, increment);
  }

  #number(type: number, id: number, value: number): void {
    const length = 4;
    const { bytes, used } = this.#outbox.reserve(headLength + length);
    writeHead(bytes, used - length - headLength, { length, type, flags: 0, id });
    bytes.writeUInt32BE(value, used - length);
  }

  #frame(type: number, flag: number, id: number, payload: Buffer): void {
    const { length } = payload;
    const { bytes, used } = this.#outbox.reserve(headLength + length);
    writeHead(bytes, used - length - headLength, { length, type, flags: flag, id });
    payload.copy(bytes, used - length);
  }
}

const nothing = Buffer.alloc(0);

interface Head {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly id: number;
}

function writeHead(bytes: Buffer, at: number, { length, type, flags: flag, id }: Head): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flag;
  bytes[at + 5] = id >>> 24;
  bytes[at + 6] = id >>> 16;
  bytes[at + 7] = id >>> 8;
  bytes[at + 8] = id;
}
