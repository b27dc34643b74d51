/** A server on a free loopback port, over HTTP or HTTPS. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

/** Key and certificate of a server, as PEM. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
}

export interface LoopbackServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or `https://…`. */
  readonly url: string;
}

/** Starts the server. Disposing of it cuts its connections and frees the port. */
export async function listenOnLoopback(listener: RequestListener, tls?: TlsMaterial): Promise<LoopbackServer> {
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer({ ...tls }, listener);
  const port = await new Promise<number>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') fail(new Error('the system gave no port'));
      else done(address.port);
    });
  });
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}
