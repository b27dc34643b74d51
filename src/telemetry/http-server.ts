/**
 * An HTTP/1.1 server (RFC 9112) for small questions of people who need not say who they are, in a process whose calls
 * matter: a connection is for one GET, of which nothing but the first line is looked at, and everything has a bound.
 *
 * Node's own server parses all requests that a peer has sent ahead, 25 µs for each, whatever is answered to the first:
 * 1.5 MB of them a second leave no time for anything else. Here what follows the first one is not looked at.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { systemClock } from '../base/clock.ts';
import { Room } from '../base/room.ts';

export interface HttpAnswer {
  readonly status: keyof typeof reasons;
  readonly body: string | Buffer;
  /** The body's type; text where none is given. */
  readonly type?: string;
}

export interface HttpServerOptions {
  readonly host: string | undefined;
  readonly port: number;
  /** Answers a GET for a path, without its query. Must not reject. */
  readonly answer: (path: string) => HttpAnswer | Promise<HttpAnswer>;
}

const reasons = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

/** Most connections at a time: probes and scrapes take a few milliseconds each. */
const mostConnections = 512;
/** Longest life of a connection, in milliseconds: what Prometheus waits for an answer by default. */
const longestMs = 10_000;
/** How long a peer may take to hang up once it is answered, in milliseconds. */
const lingerMs = 1000;
/** Most bytes of a head; those of Kubernetes and Prometheus have some hundred. */
const largestHead = 8 * 1024;
/** Most bytes after the head that are taken and forgotten, so that their sender hears the answer. */
const forgottenBytes = 256 * 1024;

// Section 2.2: a line may end with LF alone.
const endOfHead = /\r?\n\r?\n/;
/** Bytes before the last one of an end, which may have come with an earlier chunk. */
const beforeLast = 3;
const requestLine = /^([A-Z]{1,16}) (\S+) HTTP\/1\.([01])\r?\n/;
const hostLine = /\nhost:/i;
/** Section 3.2.2: what a target may begin with, beside its path. */
const origin = /^https?:\/\/[^/?]*/i;

/** Serves until it is disposed, which ends all connections. Rejects where the address cannot be had. */
export async function serveOneRequests(options: HttpServerOptions): Promise<AsyncDisposable> {
  const { host, port } = options;
  const room = new Room<Socket>(mostConnections);
  // A peer may say with its request that it has no more to send.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    room.enter(socket);
    const timer = systemClock.after(longestMs, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('close', () => {
      timer[Symbol.dispose]();
      room.leave(socket);
    });
    readHead(socket, (head) => {
      room.serve(socket);
      void replyTo(head, options).then((reply) => {
        if (socket.destroyed) return;
        socket.cork();
        socket.write(reply.head, 'latin1');
        socket.write(reply.body, () => room.answer(socket));
        socket.uncork();
        hangUp(socket);
      });
    });
  });
  server.listen({ port, ...(host !== undefined && { host }) });
  await once(server, 'listening');
  // A connection that could not be taken; the next one may be.
  server.on('error', () => {});
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        room.clear();
      }),
  };
}

/** Hands on the head of the first request, or undefined where it is too large; what comes later is not looked at. */
function readHead(socket: Socket, onHead: (head: string | undefined) => void): void {
  let head = '';
  const take = (chunk: Buffer) => {
    const from = Math.max(0, head.length - beforeLast);
    head += chunk.toString('latin1', 0, largestHead);
    const end = head.slice(from).search(endOfHead);
    if (end < 0 && head.length < largestHead) return;
    socket.off('data', take).off('end', give);
    forget(socket);
    onHead(end < 0 ? undefined : `${head.slice(0, from + end)}\n`);
  };
  const give = () => socket.destroy();
  socket.on('data', take).once('end', give);
}

/** Takes what still comes, up to a bound: a socket that is closed over unread bytes resets, and the answer is lost. */
function forget(socket: Socket): void {
  let left = forgottenBytes;
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.pause();
  });
}

/** All bytes of the reply; those of a body are shared with other replies. */
async function replyTo(head: string | undefined, { answer }: HttpServerOptions): Promise<Reply> {
  const [, method, target, minor] = requestLine.exec(head ?? '') ?? [];
  if (head === undefined) return reply({ status: 431, body: 'the request is too large\n' });
  if (target === undefined || (minor === '1' && !hostLine.test(head))) {
    return reply({ status: 400, body: 'this is no request of HTTP/1.1\n' });
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return reply({ status: 405, body: 'only GET is answered here\n' }, 'Allow: GET, HEAD\r\n');
  }
  const { head: lines, body } = reply(await answer(target.replace(origin, '').split('?', 1)[0] || '/'));
  return { head: lines, body: method === 'HEAD' ? '' : body };
}

interface Reply {
  readonly head: string;
  readonly body: string | Buffer;
}

function reply({ status, body, type = 'text/plain; charset=utf-8' }: HttpAnswer, more = ''): Reply {
  const head =
    `HTTP/1.1 ${status} ${reasons[status]}\r\nDate: ${new Date().toUTCString()}\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n${more}Connection: close\r\n\r\n`;
  return { head, body };
}

/**
 * Ends the connection once the peer has, or a little later: Node's fetch breaks its process where the end comes while it
 * holds back a part of the body (undici, an assertion in Parser.finish).
 */
function hangUp(socket: Socket): void {
  const end = () => socket.end();
  if (socket.readableEnded) end();
  else {
    socket.once('end', end);
    systemClock.after(lingerMs, end);
  }
}
