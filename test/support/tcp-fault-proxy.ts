/**
 * A stretch of network that a test can break: it stands on a loopback port between the daemon and a key service, and does
 * to every connection, old or new, what its mode says. It knows bytes and nothing of what they mean.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { TcpLink, type TcpMode, type Weather } from './tcp-link.ts';

export interface TcpFaultProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`, the same for as long as it lives. */
  readonly address: string;
  /** How many connections it has accepted so far. */
  readonly connections: number;
  /** How many of them are open. One that its client leaves during a blackhole counts until the mode changes. */
  readonly open: number;
  /** Changes the mode; resolves when it is in force for every connection. It begins with `pass`. */
  become(mode: TcpMode): Promise<void>;
}

/** Starts one in front of `target`, `host:port`. Dispose of it to reset its connections and free its port. */
export async function startTcpFaultProxy(target: string): Promise<TcpFaultProxy> {
  const { hostname, port } = new URL(`tcp://${target}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const links = new Set<TcpLink>();
  let over = new AbortController();
  let weather: Weather = { mode: { kind: 'pass' }, over: over.signal };
  let connections = 0;
  const accept = (client: Socket) => {
    connections += 1;
    if (weather.mode.kind === 'reset') {
      client.resetAndDestroy();
      return;
    }
    const link = new TcpLink(client, { host, port: Number(port), weather: () => weather });
    links.add(link);
    client.once('close', () => links.delete(link));
  };
  const become = async (mode: TcpMode) => {
    const before = over;
    over = new AbortController();
    weather = { mode, over: over.signal };
    before.abort();
    for (const link of links) link.follow();
    if (mode.kind === 'refuse') await close(server);
    else if (!server.listening) await listen(server, ownPort);
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  const ownPort = await listen(server, 0);
  return {
    address: `127.0.0.1:${ownPort}`,
    get connections() {
      return connections;
    },
    get open() {
      return links.size;
    },
    become,
    [Symbol.asyncDispose]: () => become({ kind: 'refuse' }),
  };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}
