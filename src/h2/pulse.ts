/** Whether the peer still takes what it is sent, and still says something. */
import type { Limits } from './limits.ts';

/** What to do about a peer. */
export type Verdict = 'well' | 'ask' | 'dead';

export class Pulse {
  readonly #limits: Limits;
  /** When the last byte came. */
  #heard: number;
  /** When the peer was asked for a sign of life. */
  #asked: number | undefined;
  /** Since when output waits without a byte taken. */
  #stalledSince: number | undefined;

  /** Times are monotonic, in milliseconds. */
  constructor(limits: Limits, now: number) {
    this.#limits = limits;
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

  /** A look at the peer: whether output waits for it, and whether it waits for answers. */
  verdict(now: number, { isOwed, isWaiting }: { isOwed: boolean; isWaiting: boolean }): Verdict {
    const { stallMs, silenceMs, pingMs } = this.#limits;
    if (isOwed) {
      this.#stalledSince ??= now;
      return now - this.#stalledSince >= stallMs ? 'dead' : 'well';
    }
    this.#stalledSince = undefined;
    if (!isWaiting || now - this.#heard < silenceMs) return 'well';
    if (this.#asked !== undefined) return now - this.#asked >= pingMs ? 'dead' : 'well';
    this.#asked = now;
    return 'ask';
  }
}
