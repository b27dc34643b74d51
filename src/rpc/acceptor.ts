/**
 * Where connections come in: listens, hands each one on, and knows all that are open. grpc-js would listen itself, but it
 * ends a connection no faster than its peer answers, so a peer that has fallen silent, or does not read, would keep the
 * daemon from its end for ever (1.14.7, `drain`; node:http2 waits for the peer in `finishSessionClose`).
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';

export interface Acceptor {
  /** Takes no more connections; resolves when the last one has ended. */
  close(): Promise<void>;
  /** Ends every connection that is open, whatever its peer does. */
  cut(): void;
}

/** What a name may stand for and this machine does not have: no IPv6, say. */
const absent = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

export interface AcceptOptions {
  /** At a time. */
  readonly maxConnections: number;
  readonly onConnection: (socket: Socket) => void;
  /** Has a connection that does nothing go, where there are as many as may be; false where there is none. */
  readonly makeRoom?: () => boolean;
  /** A connection was closed because there are as many as may be. */
  readonly onTurnedAway?: () => void;
}

/** Connections that go may take their time: so many times as many may be there until they have gone. */
const leavingFactor = 2;

/**
 * Listens on `target`, `unix:/path` or `host:port`, on every address that the host stands for. Rejects with the system's
 * error where one of them is taken, or where none can be had. Connections beyond `maxConnections` take the place of one
 * that does nothing, or are closed at once.
 */
export async function accept(target: string, options: AcceptOptions): Promise<Acceptor> {
  const { maxConnections, onConnection, makeRoom, onTurnedAway } = options;
  const sockets = new Set<Socket>();
  const hasRoom = () =>
    sockets.size < maxConnections || (sockets.size < leavingFactor * maxConnections && makeRoom?.() === true);
  const take = (socket: Socket) => {
    if (!hasRoom()) {
      socket.destroy();
      onTurnedAway?.();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  };
  const servers: Server[] = [];
  const close = async () => {
    await Promise.all(servers.map(closed));
  };
  let refusal: unknown;
  for (const place of await placesOf(target)) {
    const server = createServer(take);
    try {
      await bound(server, place);
      servers.push(server);
    } catch (error) {
      refusal = error;
      if (isAbsent(error)) continue;
      await close();
      throw error;
    }
  }
  if (servers.length === 0) throw refusal;
  return {
    close,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function placesOf(target: string): Promise<ListenOptions[]> {
  if (target.startsWith('unix:')) return [{ path: target.slice('unix:'.length) }];
  const colon = target.lastIndexOf(':');
  const host = target.slice(0, colon).replace(/^\[|\]$/g, '');
  const addresses = await lookup(host, { all: true });
  return addresses.map(({ address }) => ({ host: address, port: Number(target.slice(colon + 1)) }));
}

async function bound(server: Server, place: ListenOptions): Promise<void> {
  server.listen(place);
  await once(server, 'listening');
}

async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && absent.includes(String(error.code));
}
