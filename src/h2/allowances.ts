/**
 * What a peer has left of what costs work and brings nothing (RFC 9113 section 10.5). How much there is of each kind, and
 * what brings it back, is in the table of `limits.ts`.
 */
import { Allowance } from '../base/allowance.ts';
import { ConnectionError } from './errors.ts';
import { errorCodes } from './frames.ts';
import { allowances } from './limits.ts';

/** All allowances of one connection. Spending throws a ConnectionError, with the message for the peer, once it is too much. */
export class Allowances {
  readonly #asks: Allowance;
  readonly #resets: Allowance;
  readonly #idle: Allowance;
  /** When what is being read has come; monotonic, in milliseconds. */
  now: number;

  /** Full at the time `now`. */
  constructor(now: number) {
    this.#asks = new Allowance({ ...allowances.asks, now });
    this.#resets = new Allowance({ ...allowances.resets, now });
    this.#idle = new Allowance({ ...allowances.idle, now });
    this.now = now;
  }

  /** The peer wants an answer. */
  ask(message: string): void {
    this.#spend(this.#asks, 1, message);
  }

  /** A stream was given up: by the peer, or by us for a mistake of the peer. */
  reset(): void {
    this.#spend(this.#resets, 1, 'too many streams were reset');
  }

  /** A frame carries nothing, or makes the work of `count` such frames. */
  idle(message: string, count = 1): void {
    this.#spend(this.#idle, count, message);
  }

  /** The peer is sent something of a stream: it may ask anew. */
  answered(): void {
    this.#asks.refill();
  }

  /** The peer is sent a body, or a large part of one. */
  earn(): void {
    this.#idle.earn();
  }

  #spend(allowance: Allowance, count: number, message: string): void {
    if (!allowance.take(count, this.now)) throw new ConnectionError(errorCodes.enhanceYourCalm, message);
  }
}
