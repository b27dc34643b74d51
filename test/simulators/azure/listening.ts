/** A service on a free loopback port. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { ServerCertificate } from '../../support/certificates.ts';
import { deliver } from '../http/delivery.ts';
import { answer, type Desk, type Request, type Service } from './answering.ts';

export interface Listener extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`, or `http:` without a certificate. */
  readonly origin: string;
}

export interface ListenOptions {
  readonly desk: Desk;
  /** Ends what is still being answered. */
  readonly signal: AbortSignal;
  /** Takes every exception that is no answer: a failure of the simulator itself. */
  readonly bugs: unknown[];
  readonly certificate?: ServerCertificate;
}

/** Listens for a service. Dispose of it to cut its connections and free the port. */
export async function listen(service: Service, options: ListenOptions): Promise<Listener> {
  const { certificate, signal, bugs } = options;
  const connections = new Map<number | undefined, Socket>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const reset = () => connections.get(request.socket.remotePort)?.resetAndDestroy();
    serve(request, response, { service, reset, ...options }).catch((bug: unknown) => {
      if (!signal.aborted) bugs.push(bug);
      response.destroy();
    });
  };
  const server = certificate === undefined ? createHttpServer(onRequest) : createHttpsServer(certificate, onRequest);
  // What lies beneath a TLS connection, which cannot be reset by itself.
  server.on('connection', (socket: Socket) => {
    const port = socket.remotePort;
    connections.set(port, socket);
    socket.once('close', () => connections.delete(port));
  });
  const port = await start(server);
  return {
    origin: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

function start(server: Server): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') fail(new Error('the system gave no port'));
      else done(address.port);
    });
  });
}

async function serve(
  message: IncomingMessage,
  response: ServerResponse,
  { service, desk, signal, reset }: ListenOptions & { readonly service: Service; readonly reset: () => void },
): Promise<void> {
  const body = await readBody(message);
  if (body === undefined) return;
  const reply = await answer(requestOf(message, body), { service, desk, signal });
  if (reply.fault?.kind === 'reset') reset();
  else await deliver(reply, response, signal);
}

function requestOf(message: IncomingMessage, body: Buffer): Request {
  const [path = '', query = ''] = (message.url ?? '').split(/\?(.*)/s);
  const headers = Object.entries(message.headersDistinct).map(
    ([name, values]) => [name, values?.join(', ') ?? ''] as const,
  );
  return { method: message.method ?? '', path, query: new URLSearchParams(query), headers: new Map(headers), body };
}

/** The whole body, or undefined when the client went away before its end. */
async function readBody(message: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}
