/** A block of fields over several frames: HEADERS, then CONTINUATION until END_HEADERS (RFC 9113 section 4.3). */
import { ConnectionError } from './errors.ts';
import { errorCodes } from './frames.ts';
import type { Limits } from './limits.ts';

export class HeaderBlock {
  readonly id: number;
  readonly isEnd: boolean;
  /** When it began, on the monotonic clock. */
  readonly since: number;
  readonly #limits: Limits;
  readonly #fragments: Buffer[] = [];
  #bytes = 0;

  constructor(head: { readonly id: number; readonly isEnd: boolean; readonly since: number }, limits: Limits) {
    this.id = head.id;
    this.isEnd = head.isEnd;
    this.since = head.since;
    this.#limits = limits;
  }

  /** Adds a fragment, copied. Throws a ConnectionError where they become too many or too much. */
  add(fragment: Buffer): void {
    this.#bytes += fragment.length;
    this.#fragments.push(Buffer.from(fragment));
    const { maxHeaderBlockBytes, maxHeaderFrames } = this.#limits;
    if (this.#bytes > maxHeaderBlockBytes || this.#fragments.length > maxHeaderFrames) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'a block of fields is too long');
    }
  }

  /** All of it. */
  whole(): Buffer {
    return Buffer.concat(this.#fragments);
  }
}
