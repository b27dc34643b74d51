/** The HTTP endpoint for probes and Prometheus. No key operation is reachable here. */
import type { Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import { collected } from './collected.ts';
import { type HttpAnswer, serveOneRequests } from './http-server.ts';

export interface HttpOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly registry: Registry;
  /** Whether calls are welcome right now. */
  readonly isReady: () => boolean;
}

/** Serves `/metrics`, `/livez` and `/readyz`. Rejects where the address cannot be had. */
export function serveHttp({ host, port, registry, isReady }: HttpOptions): Promise<AsyncDisposable> {
  const collect = collected(registry, systemClock);
  const metrics = (): Promise<HttpAnswer> =>
    collect().then(
      (body) => ({ status: 200, body, type: registry.contentType }),
      () => ({ status: 500, body: 'metrics could not be collected\n' }),
    );
  const answer = (path: string): HttpAnswer | Promise<HttpAnswer> => {
    switch (path) {
      case '/livez':
        return { status: 200, body: 'ok\n' };
      case '/readyz':
        return isReady() ? { status: 200, body: 'ok\n' } : { status: 503, body: 'not ready\n' };
      case '/metrics':
        return metrics();
      default:
        return { status: 404, body: 'offered here: /metrics, /livez, /readyz\n' };
    }
  };
  return serveOneRequests({ host, port, answer });
}
