/**
 * How the last streams of a connection ended: what a late frame means depends on it (RFC 9113 section 5.1, `closed`).
 */

/** `skipped`: the peer used a higher number first, which closes the lower ones (section 5.1.1). */
export type Ended = 'skipped' | 'ended' | 'reset by us' | 'reset by peer';

const endings: readonly Ended[] = ['skipped', 'ended', 'reset by us', 'reset by peer'];
const codes: Readonly<Record<Ended, number>> = { skipped: 0, ended: 1, 'reset by us': 2, 'reset by peer': 3 };

/** Streams that are remembered. */
const kept = 1024;

export class StreamHistory {
  /** One for each client stream, by number; clients use the odd ones. */
  readonly #endings = new Uint8Array(kept);
  #last = 0;

  /** The highest number that the peer has used. */
  get last(): number {
    return this.#last;
  }

  /** The peer begins stream `id`, which is higher than the last. */
  begin(id: number): void {
    const skipped = (id - this.#last) / 2 - 1;
    for (let i = 0, at = this.#last + 2; i < Math.min(skipped, kept); i++, at += 2) this.#set(at, 'skipped');
    this.#last = id;
  }

  /** Stream `id`, which has begun, is closed. */
  end(id: number, how: Ended): void {
    this.#set(id, how);
  }

  /** How stream `id`, which is closed, ended; those of long ago may have been reset by us, and the peer be slow. */
  of(id: number): Ended {
    if (this.#last - id >= kept * 2) return 'reset by us';
    return endings[this.#endings[slotOf(id)] ?? 0] ?? 'ended';
  }

  #set(id: number, how: Ended): void {
    if (this.#last - id < kept * 2) this.#endings[slotOf(id)] = codes[how];
  }
}

function slotOf(id: number): number {
  return (id >>> 1) % kept;
}
