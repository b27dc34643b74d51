/** The HTTP endpoint over a real socket on loopback. */
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { serveHttp } from '../../../src/telemetry/http.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { freePort } from '../../support/daemon.ts';

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server[Symbol.asyncDispose]();
});

async function endpoint() {
  const { registry, configReloads } = createMetrics({
    cacheEntries: () => 0,
    credentialExpiries: () => [],
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
    openCircuits: () => [],
  });
  configReloads.inc({ outcome: 'ok' });
  const state = { ready: false };
  const port = await freePort();
  running.push(await serveHttp({ host: '127.0.0.1', port, registry, isReady: () => state.ready }));
  return { base: `http://127.0.0.1:${port}`, port, state, registry };
}

/** The raw bytes that come back for a request, so that a body that must not be there would be seen. */
function rawHead(
  port: number,
  path: string,
): Promise<{ status: number | undefined; body: string; type: string | undefined }> {
  return new Promise((done, fail) => {
    const asked = request({ host: '127.0.0.1', port, path, method: 'HEAD' }, (answer) => {
      let body = '';
      answer.on('data', (chunk) => {
        body += chunk;
      });
      answer.on('end', () => done({ status: answer.statusCode, body, type: answer.headers['content-type'] }));
    });
    asked.once('error', fail);
    asked.end();
  });
}

describe('serveHttp', () => {
  it('is alive whether it is ready or not', async () => {
    const { base, state } = await endpoint();
    for (const ready of [false, true]) {
      state.ready = ready;
      expect((await fetch(`${base}/livez`)).status).toBe(200);
      expect((await fetch(`${base}/readyz`)).status).toBe(ready ? 200 : 503);
    }
  });

  it('shows the metrics in the format of Prometheus, whatever the query', async () => {
    const { base, registry } = await endpoint();
    for (const path of ['/metrics', '/metrics?name=x']) {
      const answer = await fetch(`${base}${path}`);
      expect(answer.headers.get('content-type')).toBe(registry.contentType);
      expect(await answer.text()).toContain('keyproxy_config_reloads_total{outcome="ok"} 1');
    }
  });

  it.each(['/livez', '/metrics'])('answers HEAD %s with the status and no body', async (path) => {
    const { port } = await endpoint();
    expect(await rawHead(port, path)).toMatchObject({ status: 200, body: '' });
  });

  it.each(['/', '/metrics/', '/livez/..', '/keyproxy.v1.KeyProxy/Encrypt', '/debug'])(
    'offers nothing at %s',
    async (path) => {
      const { port } = await endpoint();
      expect((await rawHead(port, path)).status).toBe(404);
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('does not take %s', async (method) => {
    const { base } = await endpoint();
    const answer = await fetch(`${base}/metrics`, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('says so when metrics cannot be collected, and goes on', async () => {
    const { base, registry } = await endpoint();
    registry.registerMetric({
      name: 'broken',
      get: () => Promise.reject(new Error('hunter2')),
      reset: () => {},
    } as never);
    const answer = await fetch(`${base}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([500, 'metrics could not be collected\n']);
    expect((await fetch(`${base}/livez`)).status).toBe(200);
  });

  it('rejects where the address is in use', async () => {
    const { port, registry } = await endpoint();
    await expect(serveHttp({ host: '127.0.0.1', port, registry, isReady: () => true })).rejects.toThrow('EADDRINUSE');
  });

  it('ends at once, open connections included, and frees its port', async () => {
    const { base, port } = await endpoint();
    await fetch(`${base}/livez`);
    await running.pop()?.[Symbol.asyncDispose]();
    const server = createServer();
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(port, '127.0.0.1', done);
    });
    await new Promise((done) => server.close(done));
  });
});
