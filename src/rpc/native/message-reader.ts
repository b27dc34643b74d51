/**
 * From bytes of a request's body to its messages (PROTOCOL-HTTP2.md, Length-Prefixed-Message):
 *
 *     compressed (1) | length (4) | message (length)
 *
 * Memory grows with what has come, never with what a length announces.
 */
import type { Refusal } from './handler.ts';
import type { Share } from './share.ts';

/** Bytes of a message's prefix. */
export const prefixLength = 5;

export interface MessageReaderOptions {
  readonly maxMessageBytes: number;
  /** What all calls of a connection hold of messages: those that come, and those that handlers have not let go of. */
  readonly held: Share;
  /** Takes a message, which is a copy. */
  readonly onMessage: (message: Buffer, isCompressed: boolean) => void;
}

/** The smallest buffer for a message that comes in pieces, in bytes. */
const smallest = 512;

const nothing = Buffer.alloc(0);

export class MessageReader {
  readonly #options: MessageReaderOptions;
  /** The beginning of a prefix that is cut by the end of a frame. */
  #prefix: Buffer | undefined;
  #prefixHave = 0;
  /** The message that has begun, in a buffer that grows. */
  #message: Buffer | undefined;
  #have = 0;
  #length = 0;
  /** 1 where the message is compressed. */
  #flag = 0;
  /** What of `held` is this call's. */
  #own = 0;
  #isOver = false;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#prefixHave > 0 || this.#message !== undefined;
  }

  /** Reads bytes from `start` to `end`; returns why they are refused. */
  read(bytes: Buffer, start: number, end: number): Refusal | undefined {
    let at = start;
    while (at < end && !this.#isOver) {
      if (this.#message === undefined) {
        const begin = this.#readPrefix(bytes, at, end);
        if (begin === undefined) return undefined;
        at = begin;
        const refusal = this.#refusal();
        if (refusal !== undefined) return refusal;
        if (this.#length <= end - at) {
          const message = Buffer.allocUnsafe(this.#length);
          bytes.copy(message, 0, at, at + this.#length);
          at += this.#length;
          if (!this.hold(this.#length)) return { kind: 'too much at once' };
          this.#options.onMessage(message, this.#flag === 1);
          continue;
        }
        this.#message = nothing;
        this.#have = 0;
      }
      const stop = Math.min(end, at + this.#length - this.#have);
      if (!this.#add(bytes, at, stop)) return { kind: 'too much at once' };
      at = stop;
    }
    return undefined;
  }

  /** Gives up what has begun, and reads nothing more. */
  drop(): void {
    this.#isOver = true;
    this.#message = undefined;
  }

  /** A message of so many bytes is no longer needed; without a number, none is. */
  letGo(bytes = this.#own): void {
    this.#own -= bytes;
    this.#options.held.add(-bytes);
  }

  /** Counts so many bytes more as this call's; false where the connection holds too much. */
  hold(bytes: number): boolean {
    const { held } = this.#options;
    this.#own += bytes;
    held.add(bytes);
    return held.isInside;
  }

  /** Reads a prefix; returns where its message begins, or nothing where the prefix is not whole. */
  #readPrefix(bytes: Buffer, at: number, end: number): number | undefined {
    if (this.#prefixHave === 0 && end - at >= prefixLength) {
      this.#begin(bytes, at);
      return at + prefixLength;
    }
    this.#prefix ??= Buffer.alloc(prefixLength);
    const stop = Math.min(end, at + prefixLength - this.#prefixHave);
    bytes.copy(this.#prefix, this.#prefixHave, at, stop);
    this.#prefixHave += stop - at;
    if (this.#prefixHave < prefixLength) return undefined;
    this.#begin(this.#prefix, 0);
    return stop;
  }

  #begin(bytes: Buffer, at: number): void {
    this.#flag = bytes[at] ?? 0;
    this.#length = bytes.readUInt32BE(at + 1);
    this.#prefixHave = 0;
  }

  #refusal(): Refusal | undefined {
    if (this.#flag > 1) return { kind: 'malformed', what: 'a message begins with neither 0 nor 1' };
    const { maxMessageBytes: limit } = this.#options;
    return this.#length > limit ? { kind: 'message too large', size: this.#length, limit } : undefined;
  }

  /** Adds to the message that has begun; false where the connection holds too much. */
  #add(bytes: Buffer, start: number, end: number): boolean {
    let message = this.#message ?? nothing;
    const have = this.#have + end - start;
    if (have > message.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#length, Math.max(smallest, have * 2)));
      message.copy(larger, 0, 0, this.#have);
      message = larger;
    }
    bytes.copy(message, this.#have, start, end);
    this.#message = message;
    this.#have = have;
    if (!this.hold(end - start)) return false;
    if (have < this.#length) return true;
    this.#message = undefined;
    this.#options.onMessage(message, this.#flag === 1);
    return true;
  }
}
