/** The HTTP endpoint for probes and Prometheus. No key operation is reachable here. */
import { createServer, type RequestListener } from 'node:http';
import type { Registry } from 'prom-client';

export interface HttpOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly registry: Registry;
  /** Whether calls are welcome right now. */
  readonly isReady: () => boolean;
}

/** Longest wait for a request's headers, in milliseconds. */
const headersTimeoutMs = 5000;

/** Serves `/metrics`, `/livez` and `/readyz`. Rejects where the address cannot be had. */
export async function serveHttp(options: HttpOptions): Promise<AsyncDisposable> {
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs }, answer(options));
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen({ port: options.port, ...(options.host !== undefined && { host: options.host }) }, () => done());
  });
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function answer(options: HttpOptions): RequestListener {
  return (request, response) => {
    const send = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      send(405, 'only GET is answered here\n');
      return;
    }
    switch (request.url?.split('?')[0]) {
      case '/livez':
        send(200, 'ok\n');
        return;
      case '/readyz':
        if (options.isReady()) send(200, 'ok\n');
        else send(503, 'not ready\n');
        return;
      case '/metrics':
        options.registry.metrics().then(
          (text) => send(200, text, options.registry.contentType),
          () => send(500, 'metrics could not be collected\n'),
        );
        return;
      default:
        send(404, 'offered here: /metrics, /livez, /readyz\n');
    }
  };
}
