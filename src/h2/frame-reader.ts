/**
 * From chunks of a socket to frames (RFC 9113 sections 3.4 and 4.1). One pass: a frame that lies whole in its chunk is
 * handed on where it lies; one that is cut by the border is put together in a buffer of the largest frame's size.
 */
import { ConnectionError } from './errors.ts';
import { defaultMaxFrame, errorCodes, headLength, preface } from './frames.ts';

/**
 * One frame. `bytes` from `start` to `end` are its payload, to be used during the call only. Returns whether the next one
 * may follow at once.
 */
export type OnFrame = (type: number, flags: number, id: number, bytes: Buffer, start: number, end: number) => boolean;

export class FrameReader {
  readonly #onFrame: OnFrame;
  /** How much of the preface has come. */
  #greeted = 0;
  /** A frame's beginning, `#have` bytes of it. */
  #cut: Buffer | undefined;
  #have = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** Whether the client's preface has come whole. */
  get hasPreface(): boolean {
    return this.#greeted === preface.length;
  }

  /**
   * Reads a chunk from `from` on, until `onFrame` wants no more of it for now; returns how far it came. Throws a
   * ConnectionError for a wrong preface and a frame over the largest size.
   */
  read(chunk: Buffer, from = 0): number {
    let at = from;
    if (this.#greeted < preface.length) at = this.#readPreface(chunk);
    if (this.#have > 0) at = this.#completeCut(chunk, at);
    while (chunk.length - at >= headLength) {
      const end = at + headLength + lengthAt(chunk, at);
      if (end > chunk.length) break;
      const mayGoOn = this.#hand(chunk, at, end);
      at = end;
      if (!mayGoOn) return at;
    }
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
    return chunk.length;
  }

  /** Overwrites what is left of a cut frame. */
  wipe(): void {
    this.#cut?.fill(0);
    this.#cut = undefined;
    this.#have = 0;
  }

  #readPreface(chunk: Buffer): number {
    const count = Math.min(chunk.length, preface.length - this.#greeted);
    if (preface.compare(chunk, 0, count, this.#greeted, this.#greeted + count) !== 0) {
      throw new ConnectionError(errorCodes.protocolError, 'the client does not begin with the preface of HTTP/2');
    }
    this.#greeted += count;
    return count;
  }

  /** Adds to the cut frame what it lacks, and hands it on once it is whole; returns where the next one begins. */
  #completeCut(chunk: Buffer, from: number): number {
    let at = this.#fill(chunk, from, headLength);
    const cut = this.#cut;
    if (cut === undefined || this.#have < headLength) return at;
    const size = headLength + lengthAt(cut, 0);
    at = this.#fill(chunk, at, size);
    if (this.#have < size) return at;
    this.#have = 0;
    this.#hand(cut, 0, size);
    cut.fill(0, 0, size);
    return at;
  }

  /** Copies from `chunk` until the cut frame has `size` bytes, or the chunk ends. */
  #fill(chunk: Buffer, at: number, size: number): number {
    const end = Math.min(chunk.length, at + Math.max(0, size - this.#have));
    this.#keep(chunk, at, end);
    return end;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    this.#cut ??= Buffer.allocUnsafeSlow(headLength + defaultMaxFrame);
    this.#have += chunk.copy(this.#cut, this.#have, start, end);
  }

  #hand(bytes: Buffer, at: number, end: number): boolean {
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    // The first bit is reserved, and ignored.
    const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    return this.#onFrame(type, flags, id, bytes, at + headLength, end);
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  if (length > defaultMaxFrame) {
    throw new ConnectionError(errorCodes.frameSizeError, 'a frame is larger than SETTINGS_MAX_FRAME_SIZE');
  }
  return length;
}
