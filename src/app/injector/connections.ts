/**
 * Which connections to the webhook may stay. Every pod of the cluster can open as many as it likes, and at the bound the
 * system drops the newcomer, which may be the API server. So long before the bound those give way that owe something, the
 * rest of a request or the fetching of an answer, the one that has owed it longest first; an API server needs milliseconds
 * for both. Those that have been served and owe nothing go last, whose last answer is longest ago first: what an API server
 * sends on one that is being closed fails. Among them are some that owe without having been seen to, half the head of their
 * next request; of that nobody is told before the head is whole. Who sends one request after another without waiting for
 * answers is closed.
 */
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/**
 * Most connections. An API server opens one for each request that is under way, of which it takes 200 that change
 * something (--max-mutating-requests-inflight), and there may be several: a bound that a crowd of pods reaches would
 * refuse them.
 */
const defaultMost = 1024;
/** Most requests of one connection that are under way. Go's client sends one at a time. */
const mostUnderWay = 2;
/** The share of them that may owe something, and the share of all from which on those give way that owe nothing. */
const [owingShare, manyShare] = [5 / 8, 7 / 8];

export class Connections {
  readonly #most: number;
  /** Those that are open, by their other end. */
  readonly #open = new Map<string, Socket>();
  /**
   * Those of them that owe something, and how many requests of each have begun and not ended: none before its first. Who
   * has owed longest is first.
   */
  readonly #owing = new Map<Socket, number>();
  /** Those of them that have been served and owe nothing; whose last answer is longest ago is first. */
  readonly #served = new Set<Socket>();

  /** Watches over the connections of `server`, at most `most` of them. */
  constructor(server: Server, most = defaultMost) {
    this.#most = most;
    server.maxConnections = most;
    server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /**
   * A request has begun on this connection. What this gives is to be called when its answer has been sent; undefined where
   * the connection is closed, and nobody is to be answered.
   */
  begin(socket: Socket): (() => void) | undefined {
    const open = this.#open.get(otherEnd(socket));
    if (open === undefined || open.destroyed) return undefined;
    const underWay = (this.#owing.get(open) ?? 0) + 1;
    if (underWay > mostUnderWay) {
      this.#close([open]);
      return undefined;
    }
    this.#served.delete(open);
    this.#owing.set(open, underWay);
    return () => this.#end(open);
  }

  #end(open: Socket): void {
    const begun = this.#owing.get(open);
    // It is closed, or about to be.
    if (begun === undefined) return;
    if (begun > 1) {
      this.#owing.set(open, begun - 1);
      return;
    }
    this.#owing.delete(open);
    this.#served.add(open);
  }

  #add(socket: Socket): void {
    const end = otherEnd(socket);
    this.#open.set(end, socket);
    this.#owing.set(socket, 0);
    socket.once('close', () => {
      if (this.#open.get(end) === socket) this.#open.delete(end);
      this.#forget(socket);
    });
    if (this.#owing.size > owingShare * this.#most) this.#close(this.#owing.keys());
    if (this.#open.size >= manyShare * this.#most) this.#close(this.#served.keys());
  }

  /** Closes the first of these. */
  #close(sockets: Iterable<Socket>): void {
    const [first] = sockets;
    if (first === undefined) return;
    // At once, so that who comes before it is closed makes another one give way.
    this.#forget(first);
    first.destroy();
  }

  #forget(socket: Socket): void {
    this.#owing.delete(socket);
    this.#served.delete(socket);
  }
}

/** The same for a connection and for the one of TLS on it. */
function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
