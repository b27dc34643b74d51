/** What the users of streams gave to be sent: what comes out has to be this, in this order. */
import type { HeaderList } from '../../../src/h2/hpack/field.ts';

/** The answer of one stream. */
export class Said {
  /** Lists of fields, and those that have come out. */
  readonly lists: HeaderList[] = [];
  listsOut = 0;
  /** Bytes of the body, and those that have come out. */
  size = 0;
  sizeOut = 0;
  /** END_STREAM, or RST_STREAM, has come out. */
  isEnded = false;
  hasHead = false;
  /** How many bytes the connection had made when the stream was closed for its user: it says nothing later. */
  closedAt: number | undefined;
}

/** The byte of a body at a place. */
export function bodyByte(id: number, at: number): number {
  return (id * 31 + at * 7 + (at >>> 8)) & 0xff;
}
