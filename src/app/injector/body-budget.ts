/**
 * The memory for bodies that are being read, all requests together. Whoever reaches the port can send one slowly; where
 * the room is used up, the body that has taken longest is given up. The API server's are read within milliseconds.
 */

/** What one piece of a body takes beside its bytes: the object that holds it. */
const pieceBytes = 256;

export class BodyBudget {
  readonly #mostBytes: number;
  /** Bytes by the one that gives the body up; the oldest is first. */
  readonly #held = new Map<() => void, number>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Counts a piece of a body that `giveUp` ends. */
  add(giveUp: () => void, piece: Uint8Array): void {
    const bytes = piece.length + pieceBytes;
    this.#held.set(giveUp, (this.#held.get(giveUp) ?? 0) + bytes);
    this.#bytes += bytes;
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#mostBytes) return;
      this.release(oldest);
      oldest();
    }
  }

  /** Forgets a body that was read, or given up. */
  release(giveUp: () => void): void {
    this.#bytes -= this.#held.get(giveUp) ?? 0;
    this.#held.delete(giveUp);
  }
}
