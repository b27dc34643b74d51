/**
 * Tells what was met before from what is new. It remembers a hash of each field and not the field, so it holds nothing
 * that a caller sent and is never larger; two fields of one hash only mean that the second is taken for the first.
 */
import type { HeaderField } from './field.ts';

/** How many fields are remembered. */
const places = 64;

/** The last fields that were new when they were met; each takes the place of the oldest, which is then forgotten. */
export class RecentFields {
  readonly #hashes = new Uint32Array(places);
  #next = 0;

  /** Whether a field was met lately; from now on it was. */
  meet(field: HeaderField): boolean {
    const hash = hashOf(field);
    if (this.#hashes.includes(hash)) return true;
    this.#hashes[this.#next] = hash;
    this.#next = (this.#next + 1) % places;
    return false;
  }
}

/** FNV-1a over name, a separator and value; never 0, which marks a place that is free. */
function hashOf({ name, value }: HeaderField): number {
  return hash(value, hash(name, 0x811c9dc5) ^ 0xff) || 1;
}

function hash(text: string, seed: number): number {
  let state = seed;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}
