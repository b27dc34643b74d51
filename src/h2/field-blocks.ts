/** Blocks of fields: HEADERS, then CONTINUATION until END_HEADERS, then decoded (RFC 9113 sections 4.3, 6.2, 6.10). */
import { ConnectionError, StreamError } from './errors.ts';
import { protocolError, unpadded } from './frame-rules.ts';
import { errorCodes, flags, frameTypes, max31 } from './frames.ts';
import { CompressionError, type DecodedBlock, HeaderDecoder } from './hpack/decoder.ts';
import type { Limits } from './limits.ts';

/** A block that is whole. */
export interface FieldBlock {
  readonly id: number;
  /** Whether the request ends with it. */
  readonly isEnd: boolean;
  readonly decoded: DecodedBlock;
}

/** A block that has begun. */
interface Begun {
  readonly id: number;
  readonly isEnd: boolean;
  readonly since: number;
  readonly fragments: Buffer[];
  bytes: number;
}

/** Bytes of a priority in HEADERS and PRIORITY. */
const priorityLength = 5;

export class FieldBlocks {
  readonly #limits: Limits;
  readonly #decoder: HeaderDecoder;
  #begun: Begun | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#decoder = new HeaderDecoder({
      maxTableSize: limits.headerTableBytes,
      maxListSize: limits.maxHeaderListBytes,
    });
  }

  /** When the block began that has not ended, on the monotonic clock. */
  get since(): number | undefined {
    return this.#begun?.since;
  }

  /** Nothing but the block's own CONTINUATION may come while it has not ended. */
  checkNext(type: number, id: number): void {
    if (this.#begun !== undefined && (type !== frameTypes.continuation || id !== this.#begun.id)) {
      throw protocolError('a block of fields is interrupted by another frame');
    }
  }

  /** Takes HEADERS; returns the block if it is whole. `now` is monotonic, in milliseconds. */
  headers(flag: number, id: number, payload: Buffer, now: number): FieldBlock | undefined {
    if (id % 2 === 0) throw protocolError('HEADERS needs a stream with an odd number');
    let [from, to] = unpadded(flag, payload, 0, payload.length);
    if ((flag & flags.priority) !== 0) {
      if (to - from < priorityLength) {
        throw new ConnectionError(errorCodes.frameSizeError, 'HEADERS is too short for its priority');
      }
      if (dependsOnItself(payload.subarray(from), id)) throw protocolError('a stream depends on itself');
      from += priorityLength;
    }
    const fragment = to - from === payload.length ? payload : payload.subarray(from, to);
    const isEnd = (flag & flags.endStream) !== 0;
    if ((flag & flags.endHeaders) !== 0) return { id, isEnd, decoded: this.#decode(fragment) };
    this.#begun = { id, isEnd, since: now, fragments: [], bytes: 0 };
    this.#add(this.#begun, fragment);
    return undefined;
  }

  /** Takes CONTINUATION; returns the block if it is whole. */
  continuation(flag: number, fragment: Buffer): FieldBlock | undefined {
    const begun = this.#begun;
    if (begun === undefined) throw protocolError('CONTINUATION without HEADERS');
    this.#add(begun, fragment);
    if ((flag & flags.endHeaders) === 0) return undefined;
    this.#begun = undefined;
    return { id: begun.id, isEnd: begun.isEnd, decoded: this.#decode(Buffer.concat(begun.fragments)) };
  }

  /** Gives up what has begun. */
  drop(): void {
    this.#begun = undefined;
  }

  #add(begun: Begun, fragment: Buffer): void {
    begun.bytes += fragment.length;
    begun.fragments.push(Buffer.from(fragment));
    const { maxHeaderBlockBytes, maxHeaderFrames } = this.#limits;
    if (begun.bytes > maxHeaderBlockBytes || begun.fragments.length > maxHeaderFrames) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'a block of fields is too long');
    }
  }

  /** Every block is decoded, whatever becomes of its stream: the header table is the connection's. */
  #decode(block: Buffer): DecodedBlock {
    try {
      return this.#decoder.decode(block);
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      throw new ConnectionError(errorCodes.compressionError, error.message);
    }
  }
}

/** Checks a PRIORITY frame (RFC 7540 section 5.3.1 for what a stream may depend on). */
export function checkPriority(id: number, payload: Buffer): void {
  if (dependsOnItself(payload, id)) throw new StreamError(errorCodes.protocolError, 'a stream depends on itself');
}

function dependsOnItself(payload: Buffer, id: number): boolean {
  return (payload.readUInt32BE(0) & max31) === id;
}
