/**
 * Which connections to the webhook may stay. Every pod of the cluster can open as many as it likes, and at the bound the
 * system drops the newcomer, which may be the API server. So long before the bound those give way that owe a whole
 * request, the one that has owed it longest first; an API server needs milliseconds for one. Connections that only wait
 * for their next request go last: what an API server sends on one that is being closed fails.
 */
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/**
 * Most connections. An API server opens one for each request that is under way, of which it takes 200 that change
 * something (--max-mutating-requests-inflight), and there may be several: a bound that a crowd of pods reaches would
 * refuse them.
 */
const defaultMost = 1024;
/** The share of them that may owe a request, and the share from which on those that wait for nothing are closed. */
const [owingShare, manyShare] = [5 / 8, 7 / 8];

export class Connections {
  readonly #server: Server;
  readonly #most: number;
  /** Those that are open, by their other end. */
  readonly #open = new Map<string, Socket>();
  /** Those of them that owe a request or the rest of one; who has owed it longest is first. */
  readonly #owing = new Set<Socket>();

  /** Watches over the connections of `server`, at most `most` of them. */
  constructor(server: Server, most = defaultMost) {
    this.#server = server;
    this.#most = most;
    server.maxConnections = most;
    server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** A request has begun on this connection. */
  begins(socket: Socket): void {
    const open = this.#open.get(otherEnd(socket));
    if (open !== undefined) this.#owing.add(open);
  }

  /** It has come whole. */
  ends(socket: Socket): void {
    const open = this.#open.get(otherEnd(socket));
    if (open !== undefined) this.#owing.delete(open);
  }

  #add(socket: Socket): void {
    const end = otherEnd(socket);
    this.#open.set(end, socket);
    this.#owing.add(socket);
    socket.once('close', () => {
      if (this.#open.get(end) === socket) this.#open.delete(end);
      this.#owing.delete(socket);
    });
    const [oldest] = this.#owing;
    if (this.#owing.size > owingShare * this.#most) oldest?.destroy();
    this.#server.getConnections((_error, count) => {
      if (count >= manyShare * this.#most) this.#server.closeIdleConnections();
    });
  }
}

/** The same for a connection and for the one of TLS on it. */
function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
