/** Where connections come in: on every address of a name, on none where one is taken, and out in spite of silence. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { accept } from '../../../src/rpc/acceptor.ts';
import { freePort, temporaryFolder } from '../../support/daemon.ts';

async function connected(place: { path: string } | { host: string; port: number }): Promise<Socket> {
  const socket = connect(place);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test('a name is listened on at every address that it stands for', async () => {
  const port = await freePort();
  let accepted = 0;
  const onConnection = (socket: Socket) => {
    accepted += 1;
    socket.end();
  };
  const acceptor = await accept(`localhost:${port}`, { maxConnections: 10, onConnection });
  const addresses = await lookup('localhost', { all: true });
  for (const { address } of addresses) (await connected({ host: address, port })).resume().end();
  await acceptor.close();
  expect(accepted).toBe(addresses.length);
  await expect(connected({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('an address that is taken is refused with the code of the system', async () => {
  const other = createServer();
  const port = await freePort();
  other.listen(port, '127.0.0.1');
  await once(other, 'listening');
  await expect(accept(`127.0.0.1:${port}`, { maxConnections: 10, onConnection() {} })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  await expect(accept(`localhost:${port}`, { maxConnections: 10, onConnection() {} })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  other.close();
});

test('close waits for connections that stand, and cut ends them although their peers say nothing', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'a.sock');
  const acceptor = await accept(`unix:${path}`, { maxConnections: 10, onConnection() {} });
  const silent = await connected({ path });
  let isClosed = false;
  const closed = acceptor.close().then(() => {
    isClosed = true;
  });
  await expect(connected({ path })).rejects.toMatchObject({ code: 'ENOENT' });
  expect(isClosed).toBe(false);
  acceptor.cut();
  await closed;
  silent.destroy();
  // Once more does nothing.
  await acceptor.close();
});

test('connections beyond the bound are closed at once, and there is room again when one has gone', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'a.sock');
  let accepted = 0;
  const acceptor = await accept(`unix:${path}`, { maxConnections: 2, onConnection: () => void accepted++ });
  const [first] = [await connected({ path }), await connected({ path })];
  const third = (await connected({ path })).resume();
  await once(third, 'close');
  expect(accepted).toBe(2);
  first.destroy();
  await vi.waitFor(async () => {
    const next = (await connected({ path })).resume();
    next.destroy();
    expect(accepted).toBe(3);
  });
  acceptor.cut();
  await acceptor.close();
});
