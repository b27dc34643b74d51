/**
 * What one connection may hold of memory, of what all of them may hold together. Each may hold much while there is room.
 * When all together hold too much, each may hold only a little, so that those who hold much are refused and those who
 * hold little go on.
 */

/** What all connections of a server hold, in bytes. */
export interface Common {
  bytes: number;
}

export interface ShareOptions {
  /** While there is room, in bytes. */
  readonly most: number;
  /** All connections together, before room is scarce. */
  readonly mostOfAll: number;
  readonly common: Common;
}

/** What each may hold while room is scarce, in bytes. */
const little = 2 ** 18;

export class Share {
  readonly #options: ShareOptions;
  #bytes = 0;

  constructor(options: ShareOptions) {
    this.#options = options;
  }

  /** In bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the connection holds no more than it may. */
  get isInside(): boolean {
    const { most, mostOfAll, common } = this.#options;
    return this.#bytes <= (common.bytes > mostOfAll ? Math.min(little, most) : most);
  }

  /** So many bytes more, or fewer. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#options.common.bytes += bytes;
  }
}
