/** `keyproxy health` against a real HTTP listener on loopback: what a probe learns from line and exit code. */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../support/daemon.ts';
import { commandHere } from '../../support/daemon-command.ts';

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server[Symbol.asyncDispose]();
});

/** A listener that answers so; returns its port, and the paths that it was asked for. */
async function listening(answer: RequestListener, host = '127.0.0.1') {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    answer(request, response);
  });
  const port = await freePort();
  await new Promise<void>((done) => server.listen({ port, host }, () => done()));
  running.push({
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  });
  return { port, asked };
}

const says =
  (status: number, text: string): RequestListener =>
  (_, response) =>
    response.writeHead(status).end(text);

describe('keyproxy health', () => {
  it('is 0 and one line on standard output where calls are welcome', async () => {
    const { port, asked } = await listening(says(200, 'ok\n'));
    const url = `http://127.0.0.1:${port}`;
    expect(await commandHere(['health', '--address', url])).toEqual({
      code: 0,
      stdout: `✓ ${url}/readyz: ok\n`,
      stderr: '',
    });
    expect(asked).toEqual(['/readyz']);
  });

  it('is 1 and one line on standard error where they are not', async () => {
    const { port } = await listening(says(503, 'not ready\n'));
    const url = `http://127.0.0.1:${port}`;
    const stderr = `✗ ${url}/readyz: 503 not ready\n`;
    expect(await commandHere(['health', '--address', `${url}/`])).toEqual({ code: 1, stdout: '', stderr });
  });

  it('asks for life alone with --live', async () => {
    const { port, asked } = await listening((request, response) =>
      response.writeHead(request.url === '/livez' ? 200 : 503).end('ok\n'),
    );
    const { code } = await commandHere(['health', '--live', '--address', `http://127.0.0.1:${port}`]);
    expect([code, ...asked]).toEqual([0, '/livez']);
  });

  it('asks again with --wait until calls are welcome', async () => {
    let left = 3;
    const { port, asked } = await listening((_, response) => response.writeHead(--left > 0 ? 503 : 200).end('ok\n'));
    const url = `http://127.0.0.1:${port}`;
    const { code, stdout } = await commandHere(['health', '--wait', '120', '--address', url]);
    expect([code, stdout, asked.length]).toEqual([0, `✓ ${url}/readyz: ok\n`, 3]);
  });

  it('is 1 with the last answer where --wait is over, and asks once at least', async () => {
    const { port, asked } = await listening(says(503, 'not ready\n'));
    const url = `http://127.0.0.1:${port}`;
    const { code, stderr } = await commandHere(['health', '--wait', '1', '--address', url]);
    expect([code, stderr]).toEqual([1, `✗ ${url}/readyz: 503 not ready\n`]);
    expect(asked.length).toBeGreaterThan(1);
  });

  it.each([
    ['every interface', (port: number) => `:${port}`, '127.0.0.1'],
    ['every interface of IPv4', (port: number) => `0.0.0.0:${port}`, '127.0.0.1'],
    ['one', (port: number) => `127.0.0.1:${port}`, '127.0.0.1'],
    ['its name', (port: number) => `localhost:${port}`, 'localhost'],
  ])('finds a daemon whose environment has the address of %s', async (_, address, host) => {
    const { port, asked } = await listening(says(200, 'ok\n'), host);
    const { code } = await commandHere(['health'], { env: { KEYPROXY_HTTP_ADDRESS: address(port) } });
    expect([code, ...asked]).toEqual([0, '/readyz']);
  });

  it('says over which address it asked where the environment names every interface of IPv6', async () => {
    const port = await freePort();
    const { code, stderr } = await commandHere(['health'], { env: { KEYPROXY_HTTP_ADDRESS: `[::]:${port}` } });
    expect(code).toBe(1);
    expect(stderr).toContain(`✗ http://[::1]:${port}/readyz: `);
  });

  it('is 1 where nobody listens', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const stderr = `✗ ${url}/readyz: nobody listens there (ECONNREFUSED)\n`;
    expect(await commandHere(['health', '--address', url])).toEqual({ code: 1, stdout: '', stderr });
  });

  it('is 1 where somebody listens and never answers', async () => {
    const server = createTcpServer((socket) =>
      running.push({ [Symbol.asyncDispose]: async () => void socket.destroy() }),
    );
    const port = await freePort();
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    running.push({ [Symbol.asyncDispose]: async () => void server.close() });
    const { code, stderr } = await commandHere(['health', '--address', `http://127.0.0.1:${port}`]);
    expect([code, stderr]).toEqual([1, `✗ http://127.0.0.1:${port}/readyz: no answer within 2000 ms\n`]);
  });

  it.each([
    ['speaks another protocol', (write: (text: string) => void) => write('220 mail.example.com ESMTP\r\n')],
    ['says nothing', () => undefined],
    ['never stops', (write: (text: string) => void) => write('x'.repeat(100_000))],
  ])('is 1 where somebody answers who %s', async (_, answer) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      answer((text) => socket.write(text));
      socket.once('data', () => socket.end());
    });
    const port = await freePort();
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    running.push({ [Symbol.asyncDispose]: async () => void server.close() });
    const { code, stderr } = await commandHere(['health', '--address', `http://127.0.0.1:${port}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^✗ \S+: (?:what answers there does not speak HTTP|EPIPE|ECONNRESET)\n$/);
  });

  it('shows one line of an answer, without what steers a terminal', async () => {
    const { port } = await listening(says(500, `\u001b[2Jgone${'x'.repeat(1000)}\nmore`));
    const { stderr } = await commandHere(['health', '--address', `http://127.0.0.1:${port}`]);
    expect(stderr).toMatch(/^✗ \S+: 500 \?\[2Jgonex{60,80}\n$/);
  });

  it.each([
    ['--address', 'https://127.0.0.1:9464'],
    ['--address', 'http://127.0.0.1:9464/metrics'],
    ['--address', 'http://user:hunter2@127.0.0.1:9464'],
    ['--address', '127.0.0.1:9464'],
    ['--lives', ''],
    ['--wait', 'soon'],
  ])('is a mistake of usage with %s %s, which is not repeated', async (option, value) => {
    const { code, stdout, stderr } = await commandHere(['health', option, value]);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toMatch(/^keyproxy: .+\n/);
    expect(stderr).not.toContain('hunter2');
  });

  it('is a mistake of usage where the environment has no address', async () => {
    const { code, stderr } = await commandHere(['health'], { env: { KEYPROXY_HTTP_ADDRESS: 'here' } });
    expect(code).toBe(64);
    expect(stderr).toMatch(/^keyproxy: KEYPROXY_HTTP_ADDRESS must be an address as IP:port/);
  });

  it('tells its usage', async () => {
    const { code, stdout } = await commandHere(['health', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^usage: keyproxy health /);
  });
});
