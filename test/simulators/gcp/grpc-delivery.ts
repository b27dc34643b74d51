/** Puts a gRPC answer on the wire, whole or as the fault that it suffers wants it. */
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { pause, systemClock } from '../../../src/base/clock.ts';
import type { UnaryAnswer } from './grpc-server.ts';
import { ServiceError, statusHeaders } from './status.ts';

interface Wire {
  readonly stream: ServerHttp2Stream;
  /** The connection beneath all the streams of the client. */
  readonly socket: Socket | undefined;
  readonly signal: AbortSignal;
}

const head = { ':status': 200, 'content-type': 'application/grpc' };

/** Sends an answer. Ends early, and quietly, when the signal is aborted or the client has gone. */
export async function deliverGrpc({ result, fault }: UnaryAnswer, wire: Wire): Promise<void> {
  const { stream, socket } = wire;
  switch (fault?.kind) {
    case 'reset':
      socket?.resetAndDestroy();
      return;
    case 'hang':
      return;
    case 'html':
      stream.respond({ ':status': fault.status, 'content-type': 'text/html' });
      stream.end(`<html><body><h1>${fault.status}</h1></body></html>`);
      return;
    case 'half-open':
      stream.respond(head);
      return;
    case 'truncate':
      truncate(result, wire);
      return;
    case 'trickle':
      await trickle(result, fault.msPerByte, wire);
      return;
    default:
      sendWhole(result, stream);
  }
}

function sendWhole(result: Buffer | ServiceError, stream: ServerHttp2Stream): void {
  if (result instanceof ServiceError) {
    stream.respond({ ...head, ...statusHeaders(result) }, { endStream: true });
    return;
  }
  respondWithTrailers(stream);
  stream.end(framed(result));
}

/** Half of the message, or the headers alone where there is none; then the connection ends. */
function truncate(result: Buffer | ServiceError, { stream, socket }: Wire): void {
  stream.respond(head);
  const bytes = result instanceof ServiceError ? Buffer.alloc(1) : framed(result);
  const half = bytes.subarray(0, Math.max(1, Math.floor(bytes.length / 2)));
  // What has been written must leave before the connection goes, or nothing of the answer would arrive at all.
  stream.write(half, () => setImmediate(() => socket?.destroy()));
}

async function trickle(result: Buffer | ServiceError, msPerByte: number, { stream, signal }: Wire): Promise<void> {
  if (result instanceof ServiceError) {
    sendWhole(result, stream);
    return;
  }
  respondWithTrailers(stream);
  for (const byte of framed(result)) {
    if (stream.destroyed || signal.aborted) return;
    stream.write(Buffer.of(byte));
    await pause(systemClock, msPerByte, signal).catch(() => {});
  }
  stream.end();
}

function respondWithTrailers(stream: ServerHttp2Stream): void {
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond(head, { waitForTrailers: true });
}

/** A message in its frame: a byte for compression, four for the length. */
function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
