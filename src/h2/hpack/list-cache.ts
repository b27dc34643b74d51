/**
 * Blocks of lists that are written again and again: a server's answers begin and end alike. A list is known by its
 * identity. Its block is kept from the second time on, so that a list that is made for one answer costs next to nothing.
 */
import type { HeaderList } from './field.ts';

/** How many lists are remembered. */
const slots = 8;

interface Slot {
  readonly list: HeaderList;
  generation: number;
  block: Buffer | undefined;
}

/** The last few lists whose blocks were nothing but indices, each with the generation of the table that these are of. */
export class ListCache {
  readonly #slots: Slot[] = [];
  #next = 0;

  /** The block of a list, if it is kept and its indices still hold good. */
  find(list: HeaderList, generation: number): Buffer | undefined {
    for (const slot of this.#slots) if (slot.list === list && slot.generation === generation) return slot.block;
    return undefined;
  }

  /** Remembers a list that was written just now. */
  meet(list: HeaderList, { generation, block }: { generation: number; block: Buffer }): void {
    const known = this.#slots.find((slot) => slot.list === list);
    if (known === undefined) {
      this.#slots[this.#next] = { list, generation, block: undefined };
      this.#next = (this.#next + 1) % slots;
      return;
    }
    // A copy, lest a few bytes hold on to the pool that they were written in.
    known.block = Buffer.allocUnsafeSlow(block.length);
    known.block.set(block);
    known.generation = generation;
  }
}
