/** The HTTP endpoint over a real socket on loopback. */
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { Gauge } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
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

  it.each([
    ['HTTP/1.0 without a host', 'GET /livez HTTP/1.0\r\n\r\n', '200'],
    ['lines that end with LF alone', 'GET /livez HTTP/1.1\nhost: a\n\n', '200'],
    ['the URL as a whole', 'GET http://a:1/livez?x HTTP/1.1\r\nhost: a\r\n\r\n', '200'],
    ['a URL without a path', 'GET http://a HTTP/1.1\r\nhost: a\r\n\r\n', '404'],
    ['no host', 'GET /livez HTTP/1.1\r\nx: host:\r\n\r\n', '400'],
    ['no line of HTTP', 'hello\r\n\r\n', '400'],
    ['a head that is too large', `GET /livez HTTP/1.1\r\nx: ${'a'.repeat(9000)}`, '431'],
    ['a body', `POST /livez HTTP/1.1\r\nhost: a\r\n\r\n${'a'.repeat(100_000)}`, '405'],
  ])('answers %s', async (_, bytes, status) => {
    const { port } = await endpoint();
    for (const parts of [[bytes], [...bytes.slice(0, 100)].concat(bytes.slice(100))]) {
      const { socket, text } = raw(port, '');
      for (const part of parts) await new Promise((done) => socket.write(part, done));
      socket.end();
      await new Promise((done) => socket.once('close', done));
      expect(text()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    }
  });

  it('takes no more than so much of a body that does not end', async () => {
    const { port } = await endpoint();
    const { socket, text } = raw(port, 'POST /livez HTTP/1.1\r\nhost: a\r\n\r\n');
    let sent = 0;
    const send = () => {
      while (socket.write(Buffer.alloc(65_536))) sent += 65_536;
    };
    socket.on('drain', send).once('connect', send);
    // What the system's buffers hold comes on top.
    await new Promise((done) => setTimeout(done, 500));
    expect(text()).toMatch(/^HTTP\/1.1 405 /);
    expect(sent).toBeLessThan(32 * 2 ** 20);
    socket.destroy();
  });

  it('answers one request for a connection, and hangs up', async () => {
    const { port } = await endpoint();
    const { socket, text } = raw(port, 'GET /livez HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(3));
    await new Promise((done) => socket.once('close', done));
    expect(text().match(/HTTP\/1\.1 \d+/g)?.[0]).toBe('HTTP/1.1 200');
    expect(text().match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  });

  it('does not end a connection whose client holds back the body: fetch would break its process', async () => {
    const { base, registry } = await endpoint();
    new Gauge({ name: 'large', help: 'a'.repeat(100_000), registers: [registry] });
    const answer = await fetch(`${base}/metrics`);
    await new Promise((done) => setTimeout(done, 100));
    expect(await answer.text()).toContain('# HELP large aaa');
  });

  it('collects for all who ask together', async () => {
    const { port, registry } = await endpoint();
    const collections = vi.spyOn(registry, 'metrics');
    const sockets = Array.from({ length: 100 }, () =>
      raw(port, 'GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(100)),
    );
    await Promise.all(sockets.map(({ socket }) => new Promise((done) => socket.once('close', done))));
    for (const { text } of sockets) expect(text()).toContain('keyproxy_config_reloads_total{outcome="ok"} 1');
    expect(collections.mock.calls.length).toBeLessThan(50);
  });

  it.each([
    ['that say nothing', ''],
    ['with heads that do not end', `GET /livez HTTP/1.1\r\nx: ${'a'.repeat(7000)}`],
    ['that do not read their answers', 'GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(500)],
  ])('answers beside hundreds of connections %s', async (_, bytes) => {
    const { base, port } = await endpoint();
    const crowd = Array.from({ length: 700 }, () => raw(port, bytes, 'unread').socket);
    await Promise.all(crowd.map((socket) => new Promise((done) => socket.once('connect', done).once('error', done))));
    for (let asked = 0; asked < 20; asked++) expect((await fetch(`${base}/livez`)).status).toBe(200);
    for (const socket of crowd) socket.destroy();
  });
});

/** A connection that sends these bytes, and what comes back. */
function raw(port: number, bytes: string, mode: 'read' | 'unread' = 'read'): { socket: Socket; text: () => string } {
  let text = '';
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  socket.on('error', () => {});
  if (mode === 'read') {
    socket.on('data', (chunk) => {
      text += chunk;
    });
  }
  return { socket, text: () => text };
}
