/** What kube-proxy does for a Service, on loopback: each new connection goes to the next of the ports that are ready. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Balancer extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** How many connections are open. */
  readonly open: number;
  /** Where connections go from now on; those that are open stay. */
  lead(ports: readonly number[]): void;
  /** Ends all connections that are open, so that whoever asks next makes a new one. */
  cut(): void;
}

export async function startBalancer(): Promise<Balancer> {
  let ready: readonly number[] = [];
  let turn = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const port = ready[turn++ % ready.length];
    if (port === undefined) {
      client.resetAndDestroy();
      return;
    }
    const behind = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(from);
      from.once('close', () => open.delete(from)).on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    lead(ports) {
      ready = ports;
    },
    get open() {
      return open.size / 2;
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}
