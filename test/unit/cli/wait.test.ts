import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from '../../support/daemon.ts';
import { commandHere } from '../../support/daemon-command.ts';

test('keyproxy wait ends when the daemon is ready, and not when it only answers', async () => {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += request.url === '/readyz' ? 1 : 0;
    response.writeHead(asked < 3 ? 503 : 200).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  try {
    const { code } = await commandHere(['wait'], { env: { KEYPROXY_HTTP_ADDRESS: `:${port}` } });
    expect([code, asked]).toEqual([0, 3]);
  } finally {
    server.close();
  }
});

test('keyproxy wait says where nothing was ready in time', async () => {
  const port = await freePort();
  const { code, stderr } = await commandHere(['wait', '--seconds', '1'], {
    env: { KEYPROXY_HTTP_ADDRESS: `:${port}` },
  });
  expect([code, stderr]).toEqual([1, `keyproxy: nothing was ready on port ${port} within 1 s\n`]);
});

test('keyproxy wait takes a number of seconds alone', async () => {
  const { code, stderr } = await commandHere(['wait', '--seconds', 'soon']);
  expect(code).toBe(64);
  expect(stderr).toMatch(/^keyproxy: --seconds must be a whole number/);
});
