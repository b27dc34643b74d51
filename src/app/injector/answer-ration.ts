/**
 * The memory for large answers. Whoever asks for one need not fetch it; it then lies in the buffers of the system, which
 * count as the injector's memory, and nobody tells how long. So each counts for as long as the system keeps what is not
 * fetched, and where too many were asked for in that time there is no more of them. Answers for pods as they are have room
 * always.
 */
import type { Clock } from '../../base/clock.ts';

/** An answer up to this size is a small one, in bytes: that for a pod of 40 containers. */
export const smallAnswer = 16 * 2 ** 10;
/** Most bytes of all large answers at a time. */
const mostBytes = 16 * 2 ** 20;
/**
 * How long one counts, in milliseconds. Linux keeps what is not fetched of a connection that was closed here until its
 * probes have gone on for long enough: one on loopback, 100 kB of which nobody read, was in /proc/net/tcp for 339 s.
 */
const heldMs = 10 * 60_000;

export class AnswerRation {
  readonly #clock: Clock;
  /** The oldest is first. */
  readonly #given: { readonly at: number; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether there is room for an answer of so many bytes, which is taken by it. */
  take(bytes: number): boolean {
    if (bytes <= smallAnswer) return true;
    const now = this.#clock.monotonic();
    for (let oldest = this.#given[0]; oldest !== undefined && now - oldest.at >= heldMs; oldest = this.#given[0]) {
      this.#given.shift();
      this.#bytes -= oldest.bytes;
    }
    if (this.#bytes + bytes > mostBytes) return false;
    this.#given.push({ at: now, bytes });
    this.#bytes += bytes;
    return true;
  }
}
