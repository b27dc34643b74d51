/**
 * As much of HTTP/2 as a load generator needs (RFC 9113 for frames, RFC 7541 for headers): requests out of
 * ready-made bytes, answers told apart by their frames' nine-byte heads. Node's own client would cost more per call
 * than a server under test does.
 */

/** Types of frames (RFC 9113 section 6). */
export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;

/** The flag of an acknowledged SETTINGS or PING frame. */
export const ack = 0x1;
/** The flag of a stream's last frame. */
export const endStream = 0x1;
const endHeaders = 0x4;

/** Length in bytes of a frame's head. */
export const headLength = 9;
/** The largest window, in bytes: answers never wait for it. */
export const largestWindow = 2 ** 31 - 1;
/** What every window is at the start, in bytes. */
export const initialWindow = 0xffff;

/** One frame; `payload` is copied. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headLength + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, headLength);
  return bytes;
}

/** A WINDOW_UPDATE for the whole connection. */
export function windowUpdate(increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment, 0);
  return frame(frameTypes.windowUpdate, 0, 0, payload);
}

/**
 * What a client says first: no header table, so that equal trailers are equal bytes, no pushes, and windows that
 * never fill.
 */
export function preface(): Buffer {
  const settings = Buffer.alloc(18);
  const values = [
    [1, 0],
    [2, 0],
    [4, largestWindow],
  ] as const;
  values.forEach(([id, value], at) => {
    settings.writeUInt16BE(id, at * 6);
    settings.writeUInt32BE(value, at * 6 + 2);
  });
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(frameTypes.settings, 0, 0, settings),
    windowUpdate(largestWindow - initialWindow),
  ]);
}

/** Headers of a call that are not in the static table: its index of the name, or the name. */
function headersOf(path: string): [number | string, string][] {
  return [
    [4, path],
    [1, 'localhost'],
    [31, 'application/grpc'],
    ['te', 'trailers'],
    [58, 'grpc-bench/1'],
    ['grpc-accept-encoding', 'identity,deflate,gzip'],
  ];
}

/**
 * The requests of one connection: the first fills the server's header table, all others are one byte a header, as
 * real clients have it. `body` is the message with its five-byte prefix.
 */
export class RequestBytes {
  readonly #first: Buffer;
  readonly #next: Buffer;
  #sent = 0;

  constructor(path: string, body: Buffer) {
    const post = Uint8Array.of(0x83, 0x86);
    const headers = headersOf(path);
    const literals = headers.map(([name, value]) =>
      typeof name === 'number'
        ? Buffer.concat([Uint8Array.of(0x40 | name), text(value)])
        : Buffer.concat([Uint8Array.of(0x40), text(name), text(value)]),
    );
    // The dynamic table begins at 62 with what was added last.
    const indexes = headers.map((_, at) => 0x80 | (62 + headers.length - 1 - at));
    this.#first = request(Buffer.concat([post, ...literals]), body);
    this.#next = request(Buffer.from([...post, ...indexes]), body);
  }

  /** The request on `stream`. */
  on(stream: number): Buffer {
    const bytes = Buffer.from(this.#sent === 0 ? this.#first : this.#next);
    this.#sent += 1;
    bytes.writeUInt32BE(stream, 5);
    bytes.writeUInt32BE(stream, headLength + bytes.readUIntBE(0, 3) + 5);
    return bytes;
  }
}

function request(headers: Buffer, body: Buffer): Buffer {
  return Buffer.concat([frame(frameTypes.headers, endHeaders, 0, headers), frame(frameTypes.data, endStream, 0, body)]);
}

function text(value: string): Buffer {
  return Buffer.concat([Uint8Array.of(value.length), Buffer.from(value, 'latin1')]);
}

/** A gRPC message with its prefix: not compressed, its length, itself. */
export function grpcMessage(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
