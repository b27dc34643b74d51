/**
 * The client's side: reads all that the server sends and finds what must not be. It knows what the client has said and
 * what the users of streams gave to be sent.
 */
import {
  defaultMaxFrame,
  defaultTableSize,
  defaultWindow,
  errorCodes,
  flags,
  frameTypes,
  headLength,
  max31,
} from '../../../src/h2/frames.ts';
import { HeaderDecoder } from '../../../src/h2/hpack/decoder.ts';
import { prefixes, readInteger } from '../../../src/h2/hpack/integer.ts';
import { feature } from '../engine/map.ts';
import { Fault } from '../engine/target.ts';
import { bodyByte, type Said } from './said.ts';
import type { Told } from './told.ts';

interface Block {
  readonly id: number;
  readonly flag: number;
  readonly parts: Buffer[];
}

export class Client {
  readonly #told: Told;
  readonly #said: ReadonlyMap<number, Said>;
  readonly #decoder = new HeaderDecoder({ maxTableSize: 2 ** 28, maxListSize: 2 ** 28 });
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes that were read before `#rest`. */
  #read = 0;
  #frames = 0;
  #acks = 0;
  #pongs = 0;
  #window = defaultWindow;
  #maxFrame = defaultMaxFrame;
  #sent = 0;
  /** The size of the server's table, the smallest that was asked for since the last block, and the last. */
  #table = defaultTableSize;
  #smallest = defaultTableSize;
  #asked = defaultTableSize;
  #block: Block | undefined;
  #lastId = max31;
  #before = 0;
  isOver = false;

  constructor(told: Told, said: ReadonlyMap<number, Said>) {
    this.#told = told;
    this.#said = said;
  }

  /** The code of the last GOAWAY, and the highest stream that it leaves. */
  goAway: { readonly code: number; readonly lastId: number } | undefined;

  take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at + headLength <= this.#rest.length) {
      const length = this.#rest.readUIntBE(at, 3);
      if (length > this.#maxFrame) throw new Fault('a frame is larger than the client takes');
      const end = at + headLength + length;
      if (end > this.#rest.length) break;
      this.#frame(this.#rest.subarray(at, end), this.#read + at);
      at = end;
    }
    this.#read += at;
    this.#rest = this.#rest.subarray(at);
  }

  /** The connection is closed in order: nothing is left half said. */
  end(): void {
    if (this.#rest.length > 0 || this.#block !== undefined) throw new Fault('the last frame of the server is cut off');
  }

  #frame(frame: Buffer, position: number): void {
    const type = frame[3] ?? 0;
    const flag = frame[4] ?? 0;
    const id = frame.readUInt32BE(5);
    const payload = frame.subarray(headLength);
    feature(3, type * 256 + flag, this.#before);
    this.#before = type * 8 + (flag & 7);
    if (this.#frames++ === 0 && type !== frameTypes.settings)
      throw new Fault('the server does not begin with SETTINGS');
    if (this.isOver) throw new Fault('something comes after the last word');
    if (id > max31) throw new Fault('the reserved bit is set');
    if (this.#block !== undefined && (type !== frameTypes.continuation || id !== this.#block.id)) {
      throw new Fault('a block of fields is interrupted');
    }
    if (id !== 0) this.#onStream(type, id, position);
    switch (type) {
      case frameTypes.data:
        this.#onData(id, flag, payload);
        break;
      case frameTypes.headers:
        this.#block = { id, flag, parts: [payload] };
        this.#onFields(flag);
        break;
      case frameTypes.continuation:
        if (this.#block === undefined) throw new Fault('CONTINUATION comes without HEADERS');
        this.#block.parts.push(payload);
        this.#onFields(flag);
        break;
      case frameTypes.rstStream:
        if (id === 0 || payload.length !== 4) throw new Fault('RST_STREAM is malformed');
        this.#onReset(id, payload.readUInt32BE(0));
        break;
      case frameTypes.settings:
        this.#onSettings(id, flag, payload);
        break;
      case frameTypes.ping:
        this.#onPing(id, flag, payload);
        break;
      case frameTypes.goAway:
        this.#onGoAway(id, payload);
        break;
      case frameTypes.windowUpdate:
        if (payload.length !== 4) throw new Fault('WINDOW_UPDATE is malformed');
        if (payload.readUInt32BE(0) === 0 || payload.readUInt32BE(0) > max31)
          throw new Fault('a window grows by nothing');
        return;
      default:
        throw new Fault('the server sends a frame of another type');
    }
  }

  /** What may be said on a stream at all. */
  #onStream(type: number, id: number, position: number): void {
    const isReset = type === frameTypes.rstStream;
    // What is wrong with a frame of a stream that was skipped, or with PRIORITY, is told by RST_STREAM.
    const mayReset = this.#told.ranked.has(id) || (id % 2 === 1 && id < this.#told.lastBegun);
    if (!this.#told.begun.has(id) && !(isReset && mayReset)) {
      throw new Fault('the server speaks on a stream that never began');
    }
    const said = this.#said.get(id);
    if (isReset || said === undefined) {
      if (!isReset) throw new Fault('the server speaks on a stream that nobody has');
      return;
    }
    if (said.isEnded) throw new Fault('the server speaks on a stream after its end');
    if (said.closedAt !== undefined && position >= said.closedAt)
      throw new Fault('the server speaks on a stream that is closed');
  }

  #onData(id: number, flag: number, payload: Buffer): void {
    const said = this.#saidOn(id);
    if ((flag & ~flags.endStream) !== 0) throw new Fault('DATA has other flags');
    if (said.listsOut === 0) throw new Fault('DATA comes before HEADERS');
    for (let at = 0; at < payload.length; at++) {
      if (payload[at] !== bodyByte(id, said.sizeOut + at)) throw new Fault('a body is another than its user gave');
    }
    said.sizeOut += payload.length;
    this.#sent += payload.length;
    if (said.sizeOut > said.size) throw new Fault('a body is longer than its user gave');
    if (payload.length > 0) {
      if (said.sizeOut > this.#window + (this.#told.granted.get(id) ?? 0))
        throw new Fault('DATA is over the window of the stream');
      if (this.#sent > defaultWindow + (this.#told.granted.get(0) ?? 0)) {
        throw new Fault('DATA is over the window of the connection');
      }
    }
    if ((flag & flags.endStream) !== 0) said.isEnded = true;
  }

  #onFields(flag: number): void {
    if ((flag & flags.endHeaders) === 0 || this.#block === undefined) return;
    const { id, flag: first, parts } = this.#block;
    this.#block = undefined;
    const block = Buffer.concat(parts);
    this.#checkTable(block);
    const { fields } = this.#decoder.decode(block);
    const said = this.#saidOn(id);
    const given = said.lists[said.listsOut++];
    if (JSON.stringify(given) !== JSON.stringify(fields)) throw new Fault('fields are others than their user gave');
    if ((first & flags.endStream) === 0) return;
    said.isEnded = true;
    if (said.sizeOut !== said.size) throw new Fault('an answer ends before its body');
  }

  /** RFC 7541 section 4.2: a block tells the smallest size of the table since the last one, then the present one. */
  #checkTable(block: Buffer): void {
    const cursor = { bytes: block, at: 0 };
    const sizes: number[] = [];
    while (((block[cursor.at] ?? 0) & 0xe0) === prefixes.sizeUpdate.pattern) {
      sizes.push(readInteger(cursor, prefixes.sizeUpdate.mask));
    }
    const [first] = sizes;
    if (this.#smallest < this.#table && (first === undefined || first > this.#smallest)) {
      throw new Fault('a block does not tell the smallest size that the table has had');
    }
    this.#table = sizes.at(-1) ?? this.#table;
    if (this.#table > this.#asked) throw new Fault('the header table is larger than the client allows');
    this.#smallest = this.#asked;
  }

  #onReset(id: number, code: number): void {
    feature(4, code);
    const said = this.#said.get(id);
    // One that answers a PRIORITY frame may come before the stream has begun.
    if (said !== undefined && !this.#told.ranked.has(id)) said.isEnded = true;
  }

  #onSettings(id: number, flag: number, payload: Buffer): void {
    if (id !== 0 || (flag & ~flags.ack) !== 0 || payload.length % 6 !== 0) throw new Fault('SETTINGS is malformed');
    if ((flag & flags.ack) === 0) {
      if (this.#frames > 1) throw new Fault('the server sends SETTINGS twice');
      return;
    }
    const settings = this.#told.settings[this.#acks++];
    if (settings === undefined || payload.length > 0) throw new Fault('SETTINGS is acknowledged that nobody sent');
    this.#window = settings.window ?? this.#window;
    this.#maxFrame = settings.maxFrame ?? this.#maxFrame;
    for (const size of settings.tables) {
      this.#asked = size;
      this.#smallest = Math.min(this.#smallest, size);
    }
  }

  #onPing(id: number, flag: number, payload: Buffer): void {
    if (id !== 0 || payload.length !== 8) throw new Fault('PING is malformed');
    if ((flag & flags.ack) !== 0 && this.#told.pings[this.#pongs++] !== payload.toString('latin1')) {
      throw new Fault('PING is answered that nobody sent');
    }
  }

  #onGoAway(id: number, payload: Buffer): void {
    if (id !== 0 || payload.length < 8) throw new Fault('GOAWAY is malformed');
    const [lastId, code] = [payload.readUInt32BE(0), payload.readUInt32BE(4)];
    feature(5, code, payload.length);
    if (lastId > this.#lastId) throw new Fault('GOAWAY takes back what the one before it refused');
    this.#lastId = lastId;
    this.goAway = { code, lastId };
    if (code !== errorCodes.noError) this.isOver = true;
  }

  #saidOn(id: number): Said {
    const said = this.#said.get(id);
    if (said === undefined) throw new Fault('the server speaks on no stream');
    return said;
  }
}
