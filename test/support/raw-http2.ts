/** gRPC by hand over node:http2: every header is the test's own, and no client library smooths anything over. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';

/** Where to connect: a Unix socket's path, or `host:port`. */
export type Place = { readonly socket: string } | { readonly tcp: string };

export interface RawCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The protobuf messages to send, each in a frame of its own. */
  readonly messages?: readonly Buffer[];
  /** Sent as they are, in the place of framed messages. */
  readonly bytes?: Buffer;
  /** Added to the usual headers, or in their place. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a call ended. */
export interface RawEnd {
  /** HTTP status. */
  readonly status: number;
  /** `grpc-status`; -1 where the stream ended without one. */
  readonly code: number;
  readonly message: string;
  /** `grpc-status-details-bin`. */
  readonly details: Buffer;
  /** The answers' protobuf messages. */
  readonly messages: readonly Buffer[];
  /** The HTTP/2 error code that the stream ended with; 0 for none. */
  readonly reset: number;
  /** All that came beside them, without the time of day. */
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface RawConnection extends Disposable {
  /** Makes one call to its end. Rejects where the connection breaks. */
  call(call: RawCall): Promise<RawEnd>;
  /** Sends a call whose answers keep coming. */
  open(call: RawCall): ClientHttp2Stream;
  /** Whether the connection still stands. */
  readonly alive: boolean;
}

/** Connects; `authority` is sent as `:authority`, whatever it is. */
export function connectRaw(place: Place, authority: string): RawConnection {
  const session = connect('http://localhost', {
    // What this side may hold unsent, in MB: a test sends more than node:http2's 10.
    maxSessionMemory: 1000,
    createConnection: () => createConnection('socket' in place ? { path: place.socket } : hostAndPort(place.tcp)),
  });
  session.on('error', () => {});
  return {
    call: (call) => endOf(open(session, authority, call), session),
    open: (call) => open(session, authority, call),
    get alive() {
      return !session.closed && !session.destroyed;
    },
    [Symbol.dispose]: () => session.destroy(),
  };
}

/** One message in its gRPC frame: a byte for compression, four for the length. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The messages of whole frames; what is cut is left out. */
export function unframed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

function open(session: ClientHttp2Session, authority: string, call: RawCall): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': authority,
    ':path': call.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...call.headers,
  });
  stream.on('error', () => {});
  for (const message of call.messages ?? []) stream.write(framed(message));
  if (call.bytes !== undefined) stream.write(call.bytes);
  stream.end();
  return stream;
}

function endOf(stream: ClientHttp2Stream, session: ClientHttp2Session): Promise<RawEnd> {
  return new Promise((done, fail) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (got) => {
      headers = got;
    });
    stream.on('trailers', (got) => {
      trailers = got;
    });
    stream.on('data', (chunk) => chunks.push(chunk));
    // A server may answer and end before it has read all of a large request.
    stream.once('end', () => setImmediate(() => stream.close()));
    stream.once('close', () => {
      if (session.destroyed) fail(new Error('the connection broke'));
      else done({ ...endFrom({ ...headers, ...trailers }, Buffer.concat(chunks)), reset: stream.rstCode ?? 0 });
    });
  });
}

function endFrom(headers: IncomingHttpHeaders, body: Buffer): Omit<RawEnd, 'reset'> {
  const { date: _date, ...rest } = headers;
  return {
    headers: rest,
    status: Number(headers[':status'] ?? 0),
    code: Number(headers['grpc-status'] ?? -1),
    message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
    details: Buffer.from(String(headers['grpc-status-details-bin'] ?? ''), 'base64'),
    messages: unframed(body),
  };
}
