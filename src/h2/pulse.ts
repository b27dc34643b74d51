/** Whether the peer still takes what it is sent, and still says something. */
import type { Limits } from './limits.ts';
import type { Sender } from './sender.ts';
import type { Streams } from './streams.ts';

export interface PulseOptions {
  readonly limits: Limits;
  readonly sender: Sender;
  readonly streams: Streams;
  /** The time of the beginning. */
  readonly now: number;
}

/** What the PING carries that asks for a sign of life. */
const mark = Buffer.from('alive?\0\0', 'latin1');

export class Pulse {
  readonly #limits: Limits;
  readonly #sender: Sender;
  readonly #streams: Streams;
  /** When the last byte came. */
  #heard: number;
  /** When the peer was asked for a sign of life. */
  #asked: number | undefined;
  /** Since when output waits without a byte taken. */
  #stalledSince: number | undefined;

  /** Times are monotonic, in milliseconds. */
  constructor({ limits, sender, streams, now }: PulseOptions) {
    this.#limits = limits;
    this.#sender = sender;
    this.#streams = streams;
    this.#heard = now;
  }

  /** Something came. */
  heard(now: number): void {
    this.#heard = now;
    this.#asked = undefined;
  }

  /** The peer took something. */
  taken(): void {
    this.#stalledSince = undefined;
  }

  /** Looks at the peer, and asks one for a sign of life that waits for answers in silence; returns whether it is dead. */
  isDead(now: number): boolean {
    const { stallMs, silenceMs, pingMs } = this.#limits;
    if (this.#sender.outbox.waiting > 0) {
      this.#stalledSince ??= now;
      return now - this.#stalledSince >= stallMs;
    }
    this.#stalledSince = undefined;
    if (this.#streams.count === 0 || now - this.#heard < silenceMs) return false;
    if (this.#asked !== undefined) return now - this.#asked >= pingMs;
    this.#asked = now;
    this.#sender.writer.ping(mark, false);
    return false;
  }
}
