/**
 * gRPC's unary calls over cleartext HTTP/2, by hand: the faults have to be put on the wire where no gRPC library lets one.
 *
 * Source: "gRPC over HTTP2" (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { GcpFault } from './faults.ts';
import { deliverGrpc } from './grpc-delivery.ts';
import { ServiceError } from './status.ts';

/** One call, whole. */
export interface UnaryCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly message: Buffer;
}

/** How a call is answered: with a message or an error, and what the answer suffers on its way. */
export interface UnaryAnswer {
  readonly result: Buffer | ServiceError;
  readonly fault?: GcpFault;
}

/** As much as a request may hold, like the real service's front end. */
const largestMessage = 4 * 1024 * 1024;

/** A server that runs. */
export interface GrpcServer {
  readonly port: number;
  /** Cuts all connections and frees the port. */
  close(): Promise<void>;
}

/** Starts a server on a free loopback port. `failed` hears of every call whose handling went wrong. */
export async function startGrpcServer(options: {
  readonly handle: (call: UnaryCall) => Promise<UnaryAnswer>;
  readonly failed: (bug: unknown) => void;
  readonly signal: AbortSignal;
}): Promise<GrpcServer> {
  const sockets = new Map<number | undefined, Socket>();
  const server = createServer();
  server.on('connection', (socket: Socket) => {
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(remotePort));
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    // A client that goes away is no fault of the simulator's.
    stream.on('error', () => {});
    const socket = sockets.get(stream.session?.socket.remotePort);
    answer(stream, headers, { ...options, socket }).catch(options.failed);
  });
  const port = await listen(server);
  const close = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done));
    for (const socket of sockets.values()) socket.destroy();
    await closed;
  };
  return { port, close };
}

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  {
    handle,
    socket,
    signal,
  }: { handle: (call: UnaryCall) => Promise<UnaryAnswer>; socket: Socket | undefined; signal: AbortSignal },
): Promise<void> {
  const type = headers['content-type'] ?? '';
  if (headers[':method'] !== 'POST' || !type.startsWith('application/grpc')) {
    stream.respond({ ':status': 415 }, { endStream: true });
    return;
  }
  const body = await readBody(stream);
  if (body === undefined) return;
  const message = messageIn(body);
  const call = { path: headers[':path'] ?? '', headers };
  const given = message instanceof ServiceError ? { result: message } : await handle({ ...call, message });
  if (stream.destroyed || signal.aborted) return;
  await deliverGrpc(given, { stream, socket, signal });
}

/** The whole body, or undefined when the client went away before its end. */
async function readBody(stream: ServerHttp2Stream): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return stream.destroyed && !stream.readableEnded ? undefined : Buffer.concat(chunks);
}

/** The one message of a unary call. */
function messageIn(body: Buffer): Buffer | ServiceError {
  if (body.length < 5) return new ServiceError('INTERNAL', 'The request holds no message.');
  if (body[0] !== 0) return new ServiceError('UNIMPLEMENTED', 'Compressed requests are not supported.');
  const length = body.readUInt32BE(1);
  if (length > largestMessage) return new ServiceError('RESOURCE_EXHAUSTED', 'Received message larger than max.');
  if (body.length !== 5 + length) return new ServiceError('INTERNAL', 'The request is not one whole message.');
  return body.subarray(5);
}

function listen(server: Http2Server): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port));
  });
}
