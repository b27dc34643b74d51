/**
 * HTTP/2 by hand: frames as a client would write them, well or badly, and what came back in a line each. It shares no
 * code with the server's reader and writer of frames; only header blocks are coded by `src/h2/hpack`.
 */
import { HeaderDecoder } from '../../src/h2/hpack/decoder.ts';
import { HeaderEncoder } from '../../src/h2/hpack/encoder.ts';

export const greeting = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const types = [
  ...['DATA', 'HEADERS', 'PRIORITY', 'RST_STREAM', 'SETTINGS'],
  ...['PUSH_PROMISE', 'PING', 'GOAWAY', 'WINDOW_UPDATE', 'CONTINUATION'],
] as const;

const codes = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED'],
  ...['FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM'],
] as const;

export type FrameType = (typeof types)[number];
export type Code = (typeof codes)[number];

/** The number of an error code. */
export function codeNumber(code: Code): number {
  return codes.indexOf(code);
}

export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** A frame of any type, by name or number; nothing is checked. */
export function frame(type: FrameType | number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = typeof type === 'number' ? type : types.indexOf(type);
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Four bytes. */
export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** SETTINGS with these pairs of identifier and value. */
export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.concat(pairs.flatMap(([id, value]) => [number(id).subarray(2), number(value)]));
  return frame('SETTINGS', 0, 0, payload);
}

export const settingsAck = frame('SETTINGS', flag.ack, 0);

export function ping(payload: string | Buffer = '12345678', isAck = false): Buffer {
  return frame('PING', isAck ? flag.ack : 0, 0, Buffer.from(payload));
}

export function data(id: number, body: Buffer | string, end: 'end' | '' = ''): Buffer {
  return frame('DATA', end === 'end' ? flag.endStream : 0, id, Buffer.from(body));
}

export function reset(id: number, code: Code = 'CANCEL'): Buffer {
  return frame('RST_STREAM', 0, id, number(codeNumber(code)));
}

export function windowUpdate(id: number, increment: number): Buffer {
  return frame('WINDOW_UPDATE', 0, id, number(increment));
}

export function goAway(lastId: number, code: Code = 'NO_ERROR'): Buffer {
  return frame('GOAWAY', 0, 0, Buffer.concat([number(lastId), number(codeNumber(code))]));
}

/** A payload with `padding` zeros after it, and their number before it. */
export function padded(payload: Buffer, padding: number): Buffer {
  return Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);
}

/** Fields as `[name, value]`. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** The head of a request that is well-formed, with `more` fields after it. */
export function requestFields(more: Fields = [], path = '/'): Fields {
  return [[':method', 'POST'], [':scheme', 'http'], [':path', path], [':authority', 'localhost'], ...more];
}

/** Writes the header blocks of one connection, in order. */
export class BlockWriter {
  readonly #encoder = new HeaderEncoder({ maxTableSize: 4096 });

  block(fields: Fields): Buffer {
    return Buffer.from(this.#encoder.encode(fields.map(([name, value]) => ({ name, value }))));
  }

  /** HEADERS in one frame. */
  headers(id: number, fields: Fields = requestFields(), end: 'end' | '' = ''): Buffer {
    return frame('HEADERS', flag.endHeaders | (end === 'end' ? flag.endStream : 0), id, this.block(fields));
  }
}

/** Puts the frames of chunks together. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  split(chunk: Buffer): Frame[] {
    let rest = Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const id = rest.readUInt32BE(5);
      frames.push({ type: rest[3] ?? 0, flags: rest[4] ?? 0, id, payload: Buffer.from(rest.subarray(9, end)) });
      rest = rest.subarray(end);
    }
    this.#rest = Buffer.from(rest);
    return frames;
  }
}

/** Says a server's frames in words, one line each; it reads the header blocks of one connection, in order. */
export class FrameTeller {
  readonly #decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 1 << 20 });
  #fragments: Buffer[] = [];

  /** The fields of HEADERS and CONTINUATION once their block is whole. */
  fieldsOf({ type, flags, payload }: Frame): Fields | undefined {
    if (type !== 1 && type !== 9) return undefined;
    this.#fragments.push(payload);
    if ((flags & flag.endHeaders) === 0) return undefined;
    const block = Buffer.concat(this.#fragments);
    this.#fragments = [];
    return this.#decoder.decode(block).fields.map(({ name, value }) => [name, value] as const);
  }

  line(frame: Frame): string {
    const { type, flags, id, payload } = frame;
    const name = types[type] ?? `TYPE_${type}`;
    const end = (flags & flag.endStream) !== 0 ? ' END_STREAM' : '';
    switch (name) {
      case 'DATA':
        return `DATA ${id} ${payload.length}${end}`;
      case 'HEADERS':
      case 'CONTINUATION': {
        const fields = this.fieldsOf(frame)?.map(([field, value]) => ` ${field}=${value}`) ?? [' ...'];
        return `${name} ${id}${fields.join('')}${name === 'HEADERS' ? end : ''}`;
      }
      case 'RST_STREAM':
        return `RST_STREAM ${id} ${codes[payload.readUInt32BE()]}`;
      case 'SETTINGS':
        return (flags & flag.ack) !== 0 ? 'SETTINGS ack' : `SETTINGS ${payload.length / 6}`;
      case 'PING':
        return `PING ${JSON.stringify(payload.toString('latin1'))}${(flags & flag.ack) !== 0 ? ' ack' : ''}`;
      case 'GOAWAY': {
        const words = [payload.readUInt32BE(), codes[payload.readUInt32BE(4)], payload.subarray(8).toString('latin1')];
        return `GOAWAY ${words.join(' ').trim()}`;
      }
      case 'WINDOW_UPDATE':
        return `WINDOW_UPDATE ${id} ${payload.readUInt32BE()}`;
      default:
        return `${name} ${id} ${payload.length}`;
    }
  }
}
